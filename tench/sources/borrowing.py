"""Raw pictures for an experiment elsewhere: those of the checkout it belongs to, by a link.

DVC runs queued experiments, and those with --temp, in a folder below .dvc/tmp/exps of the checkout,
where nothing is but what git and DVC's cache hold.
"""

import os
from pathlib import Path

TEMPORARY = (".dvc", "tmp", "exps")


def checkout() -> Path | None:
    """The project this is an experiment of, if it is one in a temporary folder."""
    places = [folder for folder in Path.cwd().parents if folder.parts[-3:] == TEMPORARY]
    return places[0].parents[2] if places else None


def borrow(folder: Path) -> bool:
    """Link what lies at `folder` in the checkout to the same place here; whether that was done.

    Nothing is linked over what lies here, nor outside of DVC's temporary folders.
    """
    project = checkout()
    here = Path(os.path.normpath(Path.cwd() / folder))
    if not project or here.exists() or project / ".dvc/tmp" not in here.parents:
        return False
    there = project / folder
    if not there.is_dir():
        return False
    here.unlink(missing_ok=True)  # a link to what is no more
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve(), target_is_directory=True)
    print(f"{folder}: that of {project}")
    return True
