"""How many cores there are, and work spread over them. No result depends on their number."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import TypeVar

AHEAD = 256  # items handed to threads at a time

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def cores() -> int:
    """The cores this process may use, as `taskset` and a container's quota leave them."""
    from joblib import cpu_count

    return int(cpu_count())


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `function` for `items`, in their order, computed in a thread a core.

    A thread pool's own `map` takes all items at once, and keeps 3 kB for each.
    """
    waiting = iter(items)
    with ThreadPoolExecutor(cores()) as pool:
        while some := list(islice(waiting, AHEAD)):
            yield from pool.map(function, some)
