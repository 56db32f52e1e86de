"""Check for free disk space before a stage starts."""

import shutil
from pathlib import Path

from tench.core.errors import TenchError

REPORTED_FROM_BYTES = 100e6


def check_free_space(size: float, folder: Path, what: str) -> None:
    """Check that a stage's output fits on the disk; print its size if it is large.

    Args:
        size: bytes to be written.
        folder: existing folder to write to.
        what: name of the output, in the plural.

    Raises:
        TenchError: there is too little free space.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise TenchError(
            f"{folder.absolute()}: {what} take {format_bytes(size)}, but only "
            f"{format_bytes(free)} are free: free some space or move the project to a larger disk, "
            "then run `dvc repro` again"
        )
    if size > REPORTED_FROM_BYTES:
        print(
            f"{what} take about {format_bytes(size)}, and the same again in DVC's cache unless the "
            f"file system supports reflinks; {format_bytes(free)} are free"
        )


def format_bytes(size: float) -> str:
    """Format a number of bytes as MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
