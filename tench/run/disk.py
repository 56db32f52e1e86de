"""Room on the disk, told before a stage that needs much begins."""

import shutil
from pathlib import Path

from tench.core.errors import TenchError

REPORTED_FROM_BYTES = 100e6  # bytes


def check_free_space(size: float, folder: Path, what: str) -> None:
    """Say how much a stage is about to write, where it is MUCH. Raises TenchError if there is less
    room than that.

    Args:
        size: bytes.
        folder: in which they go, which exists.
        what: is written.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise TenchError(
            f"{folder.absolute()}: {what} take {format_bytes(size)}, and {format_bytes(free)} are free there: free "
            "some, or move the project to a larger disk, then run `dvc repro` again"
        )
    if size > REPORTED_FROM_BYTES:
        print(
            f"{what} take about {format_bytes(size)}, and as much again in DVC's cache unless the file "
            f"system shares blocks (reflinks); {format_bytes(free)} are free"
        )


def format_bytes(size: float) -> str:
    """A number of bytes, as people say it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
