"""Work as tasks of a Ray cluster: code and images go there, results come back, no file is shared.

A task takes one core. One whose process or machine dies is run again, up to three times.
"""

import logging
import os
import pickle
import platform
import shutil
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache, partial
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
from tqdm import tqdm

import tench
from tench.core.errors import TenchError
from tench.core.parallel import map_in_threads
from tench.run.executor.ray_address import check_reachable, cluster_error
from tench.run.process_setup import cpu_vector_extensions
from tench.run.silence import silenced_stderr

CHUNK_BYTES = 2**18  # bytes of items that a task gets, unless one has more
READ_AHEAD = 16  # items read at a time
TASKS_PER_CORE = 3  # tasks under way for every core
MAX_PENDING_BYTES = 2**28  # bytes of items under way
# On which a worker's numbers may depend; Ray itself refuses another Python and another Ray.
REQUIRED_PACKAGES = ("ai-edge-litert", "numpy", "onnxruntime", "pillow")
# What tench.run.process_setup chose here must hold there, from before NumPy is imported.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
SINGLE_CORE_VARIABLES = {
    "LOKY_MAX_CPU_COUNT": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

WORKER_RESOURCES = ExitStack()  # holds what a process of the cluster has opened, until it ends

EnvironmentFacts = tuple[tuple[str, str], ...]
FunctionFactory = Callable[[], AbstractContextManager[Callable[[Any], Any]]]


def environment_facts() -> EnvironmentFacts:
    """What the numbers depend on that are computed here, by name."""
    versions = [
        (name, next((one.version for one in distributions(name=name)), "none"))
        for name in REQUIRED_PACKAGES
    ]
    instructions = " ".join(sorted(cpu_vector_extensions() & {"avx2", "fma"})) or "none"
    return ("machine", platform.machine()), ("instructions", instructions), *versions


@contextmanager
def map_on_cluster(
    address: str, opened: FunctionFactory, carried: Callable[[Any], Any]
) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """`spread` on the Ray cluster at `address`. Raises TenchError."""
    check_reachable(address)
    variables = {name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ}
    stop = signal.getsignal(signal.SIGTERM)
    ray._private.worker.print_to_stdstream = print_ray_message
    try:
        with silenced_stderr(), package_folder() as folder:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                runtime_env={"working_dir": folder, "env_vars": variables | SINGLE_CORE_VARIABLES},
            )
    except Exception as error:  # of a dozen kinds
        raise cluster_error(address, error) from None
    signal.signal(signal.SIGTERM, stop)  # which Ray has taken
    try:
        yield partial(map_in_tasks, address, ray.put(opened), carried)
    finally:
        ray.shutdown()


@contextmanager
def package_folder() -> Iterator[str]:
    """A folder with this package and nothing else, to be the folder that workers work in. (Without
    one they would look for code where the caller's lies, and find another version perhaps.)"""
    with TemporaryDirectory() as folder:
        source = Path(tench.__file__).parent
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, Path(folder, source.name), ignore=caches)
        yield folder


def print_ray_message(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
    """Print what Ray tells of the cluster, such as a worker's death: two sentences of each message,
    on standard error. Ray itself prints all of it on standard output, where a table may be."""
    for line in data["lines"]:
        tqdm.write(f"Ray: {'. '.join(line.split('. ')[:2])}", file=sys.stderr)


def map_in_tasks(
    address: str, opened: Any, carried: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    """The results for `items`, in their order; `opened` is a reference to what `spread` got."""
    waiting: deque[tuple[Any, int]] = deque()
    wanted = environment_facts()
    try:
        for chunk in pickle_chunks(items, carried):
            waiting.append((RUN_CHUNK_TASK.remote([opened], wanted, chunk), sum(map(len, chunk))))
            most = TASKS_PER_CORE * ray.cluster_resources().get("CPU", 1)
            while len(waiting) > most or sum(size for _, size in waiting) > MAX_PENDING_BYTES:
                yield from ray.get(waiting.popleft()[0])
        while waiting:
            yield from ray.get(waiting.popleft()[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise cluster_error(address, error) from None


def pickle_chunks(items: Iterable[Any], carried: Callable[[Any], Any]) -> Iterator[list[bytes]]:
    """The items with their content, as pickles, some together: CHUNK bytes or the first item that
    reaches them."""
    chunk: list[bytes] = []
    size, waiting = 0, iter(items)
    while some := list(islice(waiting, READ_AHEAD)):
        for pickled in map_in_threads(lambda item: pickle.dumps(carried(item)), some):
            chunk.append(pickled)
            size += len(pickled)
            if size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def run_chunk(opened: list[Any], wanted: EnvironmentFacts, chunk: list[bytes]) -> list[Any]:
    """The results for a chunk, in a process of the cluster."""
    function = worker_function(opened[0], wanted)
    return [function(pickle.loads(item)) for item in chunk]


RUN_CHUNK_TASK = ray.remote(num_cpus=1)(run_chunk)


@lru_cache(maxsize=1)
def worker_function(opened: Any, wanted: EnvironmentFacts) -> Callable[[Any], Any]:
    """The function to map, opened once in this process. Raises TenchError if numbers of this
    process may be others than the caller's."""
    others = [
        f"{name} {have} instead of {want}"
        for (name, have), (_, want) in zip(environment_facts(), wanted, strict=True)
        if have != want
    ]
    if others:
        raise TenchError(
            f"the node {platform.node()} of the Ray cluster: {', '.join(others)}: its numbers may "
            "be others. Run `make setup` there, from the same commit, and start its Ray from there"
        )
    function: Callable[[Any], Any] = WORKER_RESOURCES.enter_context(ray.get(opened)())
    return function
