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
    """A tqdm progress bar on stderr, shown after `delay` seconds.

    If stderr is no terminal, it writes at most one line every ten seconds.
    """
    return tqdm(
        items,
        desc=f"{label:17s}",
        total=total,
        unit=f" {unit}",
        mininterval=0.2 if sys.stderr.isatty() else 10,
        dynamic_ncols=True,
        delay=delay,
    )
