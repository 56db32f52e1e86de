"""How many cores there are, and work spread over them. No result depends on their number."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import cache
from itertools import islice
from multiprocessing import parent_process
from threading import Thread
from typing import TypeVar

MAX_PENDING_ITEMS = 256  # items handed to threads at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def available_cores() -> int:
    """The cores this process may use, as `taskset` and a container's quota leave them."""
    from joblib import cpu_count

    return int(cpu_count())


def map_in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `function` for `items`, in their order, computed in a thread a core.

    A thread pool's own `map` takes all items at once, and keeps 3 kB for each.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(available_cores()) as pool:
        while some := list(islice(waiting, MAX_PENDING_ITEMS)):
            yield from pool.map(function, some)


def process_pool() -> ProcessPoolExecutor:
    """A pool of a process a core. They end with this process, however it ends: a pool's own would
    wait for ever for the next item where this is killed, and hold what it had locked."""
    return ProcessPoolExecutor(available_cores(), initializer=exit_with_parent)


def exit_with_parent() -> None:
    """End this process once the one that has started it is no more."""

    def wait() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()
