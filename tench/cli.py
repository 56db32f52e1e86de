"""How a stage meets its user and its machine: help, one-line errors, progress bars, cores."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

# The cores this process may use: in a container often fewer than the machine has.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
AHEAD = 1024  # items handed to threads at a time
RUNS = Path("report/runs")  # what each stage's last run here cost; for the report alone

Item = TypeVar("Item")
Result = TypeVar("Result")


class TenchError(Exception):
    """A mistake the user can mend; the message says what, where and how."""


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage's `main`: answer --help with its module's docstring, exit 1 on a TenchError,
    note what the run cost."""
    module = sys.modules[main.__module__]
    argparse.ArgumentParser(
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    started = time.monotonic()
    try:
        main()
        note_cost(Path(str(module.__file__)).stem.replace("_", "-"), time.monotonic() - started)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: what was finished before is kept; run `dvc repro` again to go on")


def note_cost(stage: str, seconds: float) -> None:
    """Write down, beside the outputs and unknown to DVC, what a stage's run cost."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run = {
        "stage": stage,
        "seconds": seconds,
        "peak_mb": peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6,
        "ended": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
    }
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / f"{stage}.json").write_text(json.dumps(run), encoding="utf-8")


def in_threads(function: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
    """The results of `function` for `items`, in their order, computed in a thread a core.

    A thread pool's own `map` keeps 3 kB for every item from the start.
    """
    with ThreadPoolExecutor(CORES) as pool:
        for start in range(0, len(items), AHEAD):
            yield from pool.map(function, items[start : start + AHEAD])


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
