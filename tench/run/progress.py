"""Progress bars."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def progress_bar(
    items: Iterable[Any] | None,
    label: str,
    total: int | None,
    unit: str = "images",
    delay: float = 0,
) -> Any:
    """A tqdm bar on stderr, after `delay` seconds; a log file instead of a terminal gets one line
    in ten seconds."""
    return tqdm(
        items,
        desc=f"{label:17s}",
        total=total,
        unit=f" {unit}",
        mininterval=0.2 if sys.stderr.isatty() else 10,
        dynamic_ncols=True,
        delay=delay,
    )
