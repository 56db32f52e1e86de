"""Check that git does not commit raw images: `dvc exp run` adds every file that git can see."""

import os
import shlex
import subprocess
from pathlib import Path

from tench.core.errors import TenchError
from tench.core.gitignore import GITIGNORE, ignore_line
from tench.core.names import printable


def below(raw: Path, root: Path) -> Path | None:
    """The path of a folder relative to `root`; None if it is not below `root`.

    Links are not resolved, as in DVC.
    """
    folder, top = Path(os.path.normpath(root / raw)), Path(os.path.normpath(root))
    return folder.relative_to(top) if folder.is_relative_to(top) else None


def first_listed(raw: Path, root: Path, *which: str) -> str:
    """The first file at or below `raw` that `git ls-files` lists; "" if there is none.

    Args:
        raw: the folder, relative to `root`.
        root: the project, in the work tree of a git repository.
        which: options of `git ls-files`.

    Raises:
        TenchError: git cannot be run, or refuses.
    """
    command = ["git", "--no-optional-locks", "--literal-pathspecs", "ls-files", "-z", *which]
    try:
        listing = subprocess.run(
            [*command, "--", str(raw)], cwd=root, capture_output=True, check=False
        )
        problem = listing.stderr.decode(errors="replace") if listing.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        raise TenchError(
            f"{printable(str(raw))}: cannot check whether git would commit these images: "
            f"{printable(' '.join(problem.split()))}. Fix that, or move the folder out of {root}"
        )
    return listing.stdout.split(b"\0")[0].decode(errors="replace")


def remedies(raw: Path, committed: bool) -> list[str]:
    """Alternative shell commands that keep a folder below the project out of git.

    Args:
        raw: the folder, relative to the project.
        committed: whether git already tracks files in it.
    """
    name = shlex.quote(str(raw))
    forget = f"git rm -r --quiet --cached -- {name} && " if committed else ""
    return [
        f"{forget}printf '%s\\n' {shlex.quote(ignore_line(raw))} >> {GITIGNORE}",
        f"{forget}dvc add -- {name}",
    ]


def exposed(raw: Path, root: Path) -> tuple[str, bool]:
    """The first file of a raw folder that `dvc exp run` would commit to git ("" if there is none),
    and whether git already tracks it.

    Args:
        raw: data.raw.
        root: the project.

    Raises:
        TenchError: git fails.
    """
    name = below(raw, root)
    if name is None or not any((top / ".git").exists() for top in (root, *root.parents)):
        return "", False
    tracked = first_listed(name, root, "--cached")
    return tracked or first_listed(name, root, "--others", "--exclude-standard"), bool(tracked)


def check_private(raw: Path, root: Path | None = None) -> None:
    """Raise TenchError if `dvc exp run` would commit images of a raw folder to git.

    Args:
        raw: data.raw.
        root: the project; by default the current folder.
    """
    root = root or Path.cwd()
    file, tracked = exposed(raw, root)
    if not file:
        return
    ignore, track = remedies(below(raw, root) or raw, tracked)
    raise TenchError(
        f"run one of these commands, then try again:\n"
        f"  {ignore}    # git ignores the images\n"
        f"  {track}    # DVC stores them, for dvc push\n"
        f"data.raw = {printable(str(raw))}: git {'tracks' if tracked else 'does not ignore'} "
        f"{printable(file)}, so `dvc exp run` would commit the images and `dvc exp push` send them"
    )
