"""Work in threads and processes. No result depends on the number of cores."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import parent_process
from threading import Thread
from typing import TypeVar

MAX_PENDING_ITEMS = 256  # items submitted at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def available_cores() -> int:
    """Number of cores this process may use, within its CPU affinity and container quota."""
    from joblib import cpu_count

    return int(cpu_count())


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Map `function` over `items` with one thread per core; results keep the order of the items.

    Unlike ThreadPoolExecutor.map, which submits all items at once and holds 3 kB for each.
    """
    remaining = iter(items)
    with ThreadPoolExecutor(available_cores()) as pool:
        while chunk := list(islice(remaining, MAX_PENDING_ITEMS)):
            yield from pool.map(function, chunk)


def process_pool() -> ProcessPoolExecutor:
    """A pool with one process per core, whose processes exit with this one.

    Without that, workers of a killed process would wait forever and hold its locks.
    """
    return ProcessPoolExecutor(available_cores(), initializer=exit_with_parent)


def exit_with_parent() -> None:
    """Exit this process when its parent process ends."""

    def wait() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
