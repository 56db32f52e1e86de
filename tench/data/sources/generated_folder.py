"""The folder of a data set that a stage makes: never over somebody else's."""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.data.sources.git_tree import tree_id

MARKER_FILE = ".made-by-tench"  # in a folder: the tree id of all else in it, as it was made


def is_missing_or_empty(folder: Path) -> bool:
    """Whether nothing lies at `folder`, or an empty folder."""
    if folder.is_symlink():
        return False
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def write_marker(folder: Path) -> None:
    """Note in a folder that it was made here, and holds what it holds now."""
    write_text(f"{tree_id(folder, MARKER_FILE)}\n", folder / MARKER_FILE)


def is_unchanged_since_marked(folder: Path) -> bool:
    """Whether a folder was made here and holds what it held then: it may be deleted."""
    note = folder / MARKER_FILE
    if folder.is_symlink() or not note.is_file():
        return False
    return note.read_text(encoding="utf-8", errors="replace").strip() == tree_id(
        folder, MARKER_FILE
    )


def occupied_folder_error(folder: Path, why: str, made: str) -> TenchError:
    """The error that says why a stage leaves a folder alone, and what to do.

    Args:
        folder: where the stage would write.
        why: what is wrong with what lies there.
        made: what the stage makes instead.
    """
    return TenchError(
        f"{folder}: {why}; it is left as it is. To work with it, move it, for example to "
        f"data/mine, and set data.raw in params.yaml to that. For {made}, move or delete it and "
        "run again"
    )
