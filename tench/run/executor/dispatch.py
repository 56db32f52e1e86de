"""Work spread over threads, or over a Ray cluster where there is one. No result depends on it.

Nothing of Ray is imported unless RAY_ADDRESS is set.
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
    """Whether work goes to a cluster."""
    return bool(os.environ.get(RAY_ADDRESS))


@contextmanager
def open_executor(
    opened: Callable[[], AbstractContextManager[Callable[[Any], Result]]],
    carried: Callable[[Item], Any],
) -> Iterator[Callable[[Iterable[Item]], Iterator[Result]]]:
    """A `map` over any number of items: results in the items' order, few items under way at a time.

    Args:
        opened: gives the function to map, once here or once in every process of the cluster that
            RAY_ADDRESS names. It is pickled to go there, as are items and results.
        carried: of an item that names files, one with their content, for a cluster that does not
            see them; it is called here, in threads.

    Raises:
        TenchError: the cluster cannot be used.
    """
    if not uses_cluster():
        with opened() as function:
            yield partial(map_in_threads, function)
        return
    address = os.environ[RAY_ADDRESS]
    os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", "10")  # read at import; else 60
    try:
        from tench.run.executor.ray_cluster import map_on_cluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise TenchError(
            f"{RAY_ADDRESS} = {address}: there is no Ray here: `uv pip install --group ray`, or unset "
            f"{RAY_ADDRESS} to work on this machine alone"
        ) from None
    with map_on_cluster(address, opened, carried) as mapped:
        yield mapped
