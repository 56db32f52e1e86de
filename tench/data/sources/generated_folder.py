"""Guard the folder of a generated data set: files of the user are never overwritten."""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.data.sources.git_tree import tree_id

MARKER_FILE = ".made-by-tench"  # contains the git tree id of all other files in the folder


def is_missing_or_empty(folder: Path) -> bool:
    """Whether `folder` does not exist or is an empty folder."""
    if folder.is_symlink():
        return False
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def write_marker(folder: Path) -> None:
    """Write the marker file: the folder is generated and has its current content."""
    write_text(f"{tree_id(folder, MARKER_FILE)}\n", folder / MARKER_FILE)


def is_unchanged_since_marked(folder: Path) -> bool:
    """Whether a folder is generated and unchanged since, so that it may be deleted."""
    marker = folder / MARKER_FILE
    if folder.is_symlink() or not marker.is_file():
        return False
    marked = marker.read_text(encoding="utf-8", errors="replace").strip()
    return marked == tree_id(folder, MARKER_FILE)


def occupied_folder_error(folder: Path, problem: str, dataset: str) -> TenchError:
    """The error for a folder that a stage does not overwrite.

    Args:
        folder: the output of the stage.
        problem: why its content is not replaced.
        dataset: the data set that the stage writes.
    """
    return TenchError(
        f"{folder}: {problem}; nothing was changed. To use these images, move them, for example to "
        f"data/mine, and set data.raw in params.yaml to that folder. To get {dataset}, move or "
        "delete them and run again"
    )
