"""How a stage meets its user and its machine: help, one-line errors, progress bars, cores."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from tqdm import tqdm

# The cores this process may use: in a container often fewer than the machine has.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class TenchError(Exception):
    """A mistake the user can mend; the message says what, where and how."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`: answer --help with its module's docstring, exit 1 on a TenchError."""
    argparse.ArgumentParser(
        description=sys.modules[main.__module__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    try:
        main()
    except TenchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: what was finished before is kept; run `dvc repro` again to go on")


def progress(items: Iterable[Any] | None, label: str, total: int, unit: str = "pictures") -> Any:
    """A tqdm bar on stderr; a log file instead of a terminal gets one line in ten seconds."""
    return tqdm(
        items,
        desc=f"{label:17s}",
        total=total,
        unit=f" {unit}",
        mininterval=0.2 if sys.stderr.isatty() else 10,
        dynamic_ncols=True,
    )
