"""Raw images for an experiment elsewhere: those of the checkout it belongs to, by a link.

DVC runs queued experiments, and those with --temp, in a folder below .dvc/tmp/exps of the checkout,
where nothing is but what git and DVC's cache hold.
"""

import os
from pathlib import Path

from tench.core.files import write_text
from tench.core.gitignore import ignore_line

EXPERIMENT_TEMP_PARTS = (".dvc", "tmp", "exps")


def find_checkout() -> Path | None:
    """The project this is an experiment of, if it is one in a temporary folder."""
    places = [folder for folder in Path.cwd().parents if folder.parts[-3:] == EXPERIMENT_TEMP_PARTS]
    return places[0].parents[2] if places else None


def exclude(path: Path) -> None:
    """Have git ignore a path in the repository it is in, if any, and nowhere else."""
    for folder in path.parents:
        if (folder / ".git").is_dir():
            file = folder / ".git/info/exclude"
            lines = file.read_text(encoding="utf-8") if file.exists() else ""
            line = ignore_line(path.relative_to(folder))
            if line not in lines.splitlines():
                write_text(f"{lines.rstrip()}\n{line}\n".lstrip(), file)
            return


def link_from_checkout(folder: Path) -> bool:
    """Link what lies at `folder` in the checkout to the same place here; whether that was done.

    Nothing is linked over what lies here, nor outside of DVC's temporary folders. The temporary
    folder's git ignores the link: DVC would commit it, or the images behind it.
    """
    project = find_checkout()
    here = Path(os.path.normpath(Path.cwd() / folder))
    if not project or here.exists() or project / ".dvc/tmp" not in here.parents:
        return False
    there = project / folder
    if not there.is_dir():
        return False
    here.unlink(missing_ok=True)  # a link to what is no more
    here.parent.mkdir(parents=True, exist_ok=True)
    here.symlink_to(there.resolve(), target_is_directory=True)
    exclude(here)
    print(f"{folder}: that of {project}")
    return True
