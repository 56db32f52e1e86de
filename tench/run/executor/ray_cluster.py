"""Map functions as tasks of a Ray cluster. Code and images are sent there; no file is shared.

A task uses one core. Ray runs a task again, up to three times, if its process or machine dies.
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

CHUNK_BYTES = 2**18  # of pickled items per task, unless one item is larger
READ_AHEAD = 16  # items pickled at a time
TASKS_PER_CORE = 3  # pending tasks per core
MAX_PENDING_BYTES = 2**28  # of pickled items in pending tasks
# Packages that results may depend on. Ray itself refuses other versions of Python and Ray.
REQUIRED_PACKAGES = ("ai-edge-litert", "numpy", "onnxruntime", "pillow")
# Set by tench.run.process_setup; workers need the same values before they import NumPy.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
SINGLE_CORE_VARIABLES = {
    "LOKY_MAX_CPU_COUNT": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}

WORKER_RESOURCES = ExitStack()  # open context managers of a worker process, until it exits

EnvironmentFacts = tuple[tuple[str, str], ...]
FunctionFactory = Callable[[], AbstractContextManager[Callable[[Any], Any]]]


def environment_facts() -> EnvironmentFacts:
    """Facts about this process that results may depend on, as (name, value) pairs."""
    versions = [
        (name, next((package.version for package in distributions(name=name)), "none"))
        for name in REQUIRED_PACKAGES
    ]
    instructions = " ".join(sorted(cpu_vector_extensions() & {"avx2", "fma"})) or "none"
    return ("machine", platform.machine()), ("instructions", instructions), *versions


@contextmanager
def map_on_cluster(
    address: str, open_function: FunctionFactory, load_content: Callable[[Any], Any]
) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """`open_executor` for the Ray cluster at `address`. Raises TenchError."""
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
    except Exception as error:  # Ray raises a dozen types
        raise cluster_error(address, error) from None
    signal.signal(signal.SIGTERM, stop)  # ray.init replaces the handler
    try:
        yield partial(map_in_tasks, address, ray.put(open_function), load_content)
    finally:
        ray.shutdown()


@contextmanager
def package_folder() -> Iterator[str]:
    """Yield a temporary folder with a copy of this package, the workers' working directory.

    Without it, workers would import from the caller's path, perhaps another version.
    """
    with TemporaryDirectory() as folder:
        source = Path(tench.__file__).parent
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, Path(folder, source.name), ignore=caches)
        yield folder


def print_ray_message(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
    """Print the first two sentences of Ray's messages, such as a worker's death, on stderr.

    Ray itself prints all of them on stdout, where they would be mixed with results.
    """
    for line in data["lines"]:
        tqdm.write(f"Ray: {'. '.join(line.split('. ')[:2])}", file=sys.stderr)


def map_in_tasks(
    address: str, function_ref: Any, load_content: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    """Yield the results for `items`, in order.

    Args:
        address: of the cluster, for errors.
        function_ref: Ray's reference to the `open_function` of `open_executor`.
        load_content: as in `open_executor`.
        items: to map.
    """
    pending: deque[tuple[Any, int]] = deque()  # task, bytes of its items
    wanted = environment_facts()
    try:
        for chunk in pickle_chunks(items, load_content):
            task = RUN_CHUNK_TASK.remote([function_ref], wanted, chunk)
            pending.append((task, sum(map(len, chunk))))
            max_tasks = TASKS_PER_CORE * ray.cluster_resources().get("CPU", 1)
            while len(pending) > max_tasks or sum(size for _, size in pending) > MAX_PENDING_BYTES:
                yield from ray.get(pending.popleft()[0])
        while pending:
            yield from ray.get(pending.popleft()[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise cluster_error(address, error) from None


def pickle_chunks(
    items: Iterable[Any], load_content: Callable[[Any], Any]
) -> Iterator[list[bytes]]:
    """Pickle items with their content; yield chunks of at least CHUNK_BYTES, and the rest."""
    chunk: list[bytes] = []
    size, remaining = 0, iter(items)
    while batch := list(islice(remaining, READ_AHEAD)):
        for pickled in map_in_threads(lambda item: pickle.dumps(load_content(item)), batch):
            chunk.append(pickled)
            size += len(pickled)
            if size >= CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def run_chunk(function_ref: list[Any], wanted: EnvironmentFacts, chunk: list[bytes]) -> list[Any]:
    """The results for a chunk, computed in a worker process.

    The reference is in a list, so that Ray passes the reference and not the object.
    """
    function = worker_function(function_ref[0], wanted)
    return [function(pickle.loads(item)) for item in chunk]


RUN_CHUNK_TASK = ray.remote(num_cpus=1)(run_chunk)


@lru_cache(maxsize=1)
def worker_function(function_ref: Any, wanted: EnvironmentFacts) -> Callable[[Any], Any]:
    """The function to map, opened once per worker process. Raises TenchError if results of this
    process may differ from the caller's."""
    different = [
        f"{name} {have} instead of {want}"
        for (name, have), (_, want) in zip(environment_facts(), wanted, strict=True)
        if have != want
    ]
    if different:
        raise TenchError(
            f"the node {platform.node()} of the Ray cluster: {', '.join(different)}: its results "
            "may differ. Run `make setup` there, on the same commit, and start Ray from there"
        )
    function: Callable[[Any], Any] = WORKER_RESOURCES.enter_context(ray.get(function_ref)())
    return function
