"""Link the checkout's raw images into the temporary folder of a DVC experiment.

DVC runs experiments that are queued or use --temp in a folder below .dvc/tmp/exps of the checkout.
That folder contains only files from git and from DVC's cache.
"""

import os
from pathlib import Path

from tench.core.files import write_text
from tench.core.gitignore import ignore_line

EXPERIMENT_TEMP_PARTS = (".dvc", "tmp", "exps")


def find_checkout() -> Path | None:
    """The checkout that started this experiment; None outside DVC's temporary folders."""
    folders = [path for path in Path.cwd().parents if path.parts[-3:] == EXPERIMENT_TEMP_PARTS]
    return folders[0].parents[2] if folders else None


def exclude_from_git(path: Path) -> None:
    """Add a path to .git/info/exclude of its repository, if it is in one."""
    for folder in path.parents:
        if (folder / ".git").is_dir():
            file = folder / ".git/info/exclude"
            lines = file.read_text(encoding="utf-8") if file.exists() else ""
            line = ignore_line(path.relative_to(folder))
            if line not in lines.splitlines():
                write_text(f"{lines.rstrip()}\n{line}\n".lstrip(), file)
            return


def link_from_checkout(folder: Path) -> bool:
    """Link a folder of the checkout into DVC's temporary folder, at the same relative path.

    An existing file or folder is never replaced, and nothing is linked outside DVC's temporary
    folders. The link is excluded from git, because DVC would commit it or the images it points to.

    Args:
        folder: relative to the project.

    Returns:
        Whether a link was made.
    """
    checkout = find_checkout()
    link = Path(os.path.normpath(Path.cwd() / folder))
    if not checkout or link.exists() or checkout / ".dvc/tmp" not in link.parents:
        return False
    target = checkout / folder
    if not target.is_dir():
        return False
    link.unlink(missing_ok=True)  # a broken link
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)
    exclude_from_git(link)
    print(f"{folder}: linked to {target}")
    return True
