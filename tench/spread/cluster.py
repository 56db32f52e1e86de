"""Work as tasks of a Ray cluster: code and pictures go there, results come back, no file is shared.

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
from tench.console.silence import silenced_stderr
from tench.core.arithmetic import vector_instructions
from tench.core.errors import TenchError
from tench.core.parallel import in_threads
from tench.spread.address import check_answers, unusable

CHUNK = 2**18  # bytes of items that a task gets, unless one has more
READ = 16  # items read at a time
AHEAD = 3  # tasks under way for every core
HELD = 2**28  # bytes of items under way
# On which a worker's numbers may depend; Ray itself refuses another Python and another Ray.
PACKAGES = ("ai-edge-litert", "numpy", "onnxruntime", "pillow")
# What tench.core.arithmetic chose here must hold there, from before NumPy is imported.
ARITHMETIC = ("OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES")
ONE_CORE = {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

FOR_LIFE = ExitStack()  # holds what a process of the cluster has opened, until it ends

Facts = tuple[tuple[str, str], ...]
Opened = Callable[[], AbstractContextManager[Callable[[Any], Any]]]


def facts() -> Facts:
    """What the numbers depend on that are computed here, by name."""
    versions = [
        (name, next((one.version for one in distributions(name=name)), "none")) for name in PACKAGES
    ]
    instructions = " ".join(sorted(vector_instructions() & {"avx2", "fma"})) or "none"
    return ("machine", platform.machine()), ("instructions", instructions), *versions


@contextmanager
def over_cluster(
    address: str, opened: Opened, carried: Callable[[Any], Any]
) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """`spread` on the Ray cluster at `address`. Raises TenchError."""
    check_answers(address)
    variables = {name: os.environ[name] for name in ARITHMETIC if name in os.environ}
    stop = signal.getsignal(signal.SIGTERM)
    ray._private.worker.print_to_stdstream = tell
    try:
        with silenced_stderr(), code() as folder:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.CRITICAL,
                runtime_env={"working_dir": folder, "env_vars": variables | ONE_CORE},
            )
    except Exception as error:  # of a dozen kinds
        raise unusable(address, error) from None
    signal.signal(signal.SIGTERM, stop)  # which Ray has taken
    try:
        yield partial(in_tasks, address, ray.put(opened), carried)
    finally:
        ray.shutdown()


@contextmanager
def code() -> Iterator[str]:
    """A folder with this package and nothing else, to be the folder that workers work in. (Without
    one they would look for code where the caller's lies, and find another version perhaps.)"""
    with TemporaryDirectory() as folder:
        source = Path(tench.__file__).parent
        caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, Path(folder, source.name), ignore=caches)
        yield folder


def tell(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
    """Print what Ray tells of the cluster, such as a worker's death: two sentences of each message,
    on standard error. Ray itself prints all of it on standard output, where a table may be."""
    for line in data["lines"]:
        tqdm.write(f"Ray: {'. '.join(line.split('. ')[:2])}", file=sys.stderr)


def in_tasks(
    address: str, opened: Any, carried: Callable[[Any], Any], items: Iterable[Any]
) -> Iterator[Any]:
    """The results for `items`, in their order; `opened` is a reference to what `spread` got."""
    waiting: deque[tuple[Any, int]] = deque()
    wanted = facts()
    try:
        for chunk in chunks(items, carried):
            waiting.append((TASK.remote([opened], wanted, chunk), sum(map(len, chunk))))
            most = AHEAD * ray.cluster_resources().get("CPU", 1)
            while len(waiting) > most or sum(size for _, size in waiting) > HELD:
                yield from ray.get(waiting.popleft()[0])
        while waiting:
            yield from ray.get(waiting.popleft()[0])
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise unusable(address, error) from None


def chunks(items: Iterable[Any], carried: Callable[[Any], Any]) -> Iterator[list[bytes]]:
    """The items with their content, as pickles, some together: CHUNK bytes or the first item that
    reaches them."""
    chunk: list[bytes] = []
    size, waiting = 0, iter(items)
    while some := list(islice(waiting, READ)):
        for pickled in in_threads(lambda item: pickle.dumps(carried(item)), some):
            chunk.append(pickled)
            size += len(pickled)
            if size >= CHUNK:
                yield chunk
                chunk, size = [], 0
    if chunk:
        yield chunk


def work(opened: list[Any], wanted: Facts, chunk: list[bytes]) -> list[Any]:
    """The results for a chunk, in a process of the cluster."""
    function = function_here(opened[0], wanted)
    return [function(pickle.loads(item)) for item in chunk]


TASK = ray.remote(num_cpus=1)(work)


@lru_cache(maxsize=1)
def function_here(opened: Any, wanted: Facts) -> Callable[[Any], Any]:
    """The function to map, opened once in this process. Raises TenchError if numbers of this
    process may be others than the caller's."""
    others = [
        f"{name} {have} instead of {want}"
        for (name, have), (_, want) in zip(facts(), wanted, strict=True)
        if have != want
    ]
    if others:
        raise TenchError(
            f"the node {platform.node()} of the Ray cluster: {', '.join(others)}: its numbers may "
            "be others. Run `make setup` there, from the same commit, and start its Ray from there"
        )
    function: Callable[[Any], Any] = FOR_LIFE.enter_context(ray.get(opened)())
    return function
