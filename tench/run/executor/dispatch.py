"""Map functions in threads, or on a Ray cluster if RAY_ADDRESS is set, with equal results.

Ray is imported only if RAY_ADDRESS is set.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

from tench.core.errors import TenchError
from tench.core.parallel import map_in_threads
from tench.run.executor.ray_address import RAY_ADDRESS

Item = TypeVar("Item")
Result = TypeVar("Result")


def uses_cluster() -> bool:
    """Whether RAY_ADDRESS names a cluster."""
    return bool(os.environ.get(RAY_ADDRESS))


@contextmanager
def open_executor(
    open_function: Callable[[], AbstractContextManager[Callable[[Any], Result]]],
    load_content: Callable[[Item], Any],
) -> Iterator[Callable[[Iterable[Item]], Iterator[Result]]]:
    """Yield a `map` for any number of items: results in order, with few items in memory at a time.

    Args:
        open_function: context manager that yields the function to map. It is entered once here, or
            once in every process of the cluster. It, the items and the results must be picklable.
        load_content: replaces the paths in an item by the content of the files, which a cluster
            cannot read. It runs here, in threads, and only if there is a cluster.

    Raises:
        TenchError: the cluster cannot be used.
    """
    if not uses_cluster():
        with open_function() as function:
            yield partial(map_in_threads, function)
        return
    address = os.environ[RAY_ADDRESS]
    os.environ.setdefault(
        "RAY_gcs_server_request_timeout_seconds", "10"
    )  # read at import; default 60
    try:
        from tench.run.executor.ray_cluster import map_on_cluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise TenchError(
            f"{RAY_ADDRESS} = {address}: Ray is not installed: `uv pip install --group ray`, or "
            f"unset {RAY_ADDRESS} to work on this machine only"
        ) from None
    with map_on_cluster(address, open_function, load_content) as map_items:
        yield map_items
