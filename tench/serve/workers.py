"""Processes that look at pictures, one a core, each asked over a pipe.

In one process, decoding, the network and the requests would wait for each other: Python runs one
thread at a time. The pictures of all requests go to whichever process is idle; if one dies, a new
one is asked again.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple, cast

from tench.core.errors import TenchError
from tench.core.parallel import cores
from tench.exported.answers import open_classifier
from tench.exported.folder import Exported, read_exported
from tench.serve.answering import Answered, answered
from tench.serve.uploads import Upload

Look = Callable[[Upload, int, bool], Answered]  # a picture, how many classes, whether to explain
START = "from tench.serve.workers import work; work()"


class Worker(NamedTuple):
    """A process that looks at pictures, and the pipe to it."""

    process: subprocess.Popen[bytes]
    pipe: Connection


@contextmanager
def looking(exported: Exported, runtime: str) -> Iterator[Look]:
    """A function that looks at pictures, to be called in as many threads as there are cores.

    With one core it does so in this process, with more in a process a core.

    Raises:
        TenchError: a file of the export is damaged or missing.
    """
    if cores() == 1:
        with open_classifier(exported, runtime) as classifier:
            yield partial(answered, classifier)
        return
    start = partial(started, exported.folder, runtime)
    idle: SimpleQueue[Worker] = SimpleQueue()
    for worker in [start() for _ in range(cores())]:
        idle.put(worker)
    try:
        for _ in range(cores()):
            worker = idle.get()
            idle.put(worker)
            received(worker)
        yield partial(asked, idle, start)
    finally:
        while not idle.empty():
            stop(idle.get())


def started(folder: Path, runtime: str) -> Worker:
    """A worker; the first it says is whether it could open the export."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", START, str(theirs.fileno()), folder, runtime],
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C is for the server, which answers what is in flight first
        )
    return Worker(process, ours)


def stop(worker: Worker) -> None:
    """End a worker that is idle or dead."""
    worker.pipe.close()
    worker.process.wait()


def received(worker: Worker) -> Any:
    """What a worker says next. Raises what was raised in it, EOFError or OSError if it died."""
    said = worker.pipe.recv()
    if isinstance(said, Exception):
        raise said
    return said


def asked(
    idle: "SimpleQueue[Worker]", start: Callable[[], Worker], *question: Upload | int | bool
) -> Answered:
    """What an idle worker says of a picture; in the place of one that has died comes a new one.

    Raises:
        MemoryError: two of them died of it: the system ends processes for want of memory.
    """
    worker = idle.get()
    try:
        for _ in range(2):
            try:
                worker.pipe.send(question)
                while not (said := received(worker)):
                    pass  # a new one says first that it has opened the export
                return cast(Answered, said)
            except (EOFError, ConnectionError):
                stop(worker)
                worker = start()
    finally:
        idle.put(worker)
    raise MemoryError


def work() -> None:
    """What a worker does: answer what comes over its pipe until the other end is closed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who sends it to all means the server
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # cores() for this process
    number, folder, runtime = sys.argv[1:]
    with Connection(int(number)) as pipe, suppress(EOFError, ConnectionError):
        try:
            with open_classifier(read_exported(Path(folder)), runtime) as classifier:
                pipe.send(None)
                while True:
                    pipe.send(tried(partial(answered, classifier, *pipe.recv())))
        except TenchError as error:
            pipe.send(error)


def tried(look: Callable[[], Answered]) -> Answered | Exception:
    """What a function returns or raises; the latter with its trace, which pipes lose, as a note."""
    try:
        return look()
    except Exception as error:
        error.add_note(traceback.format_exc())
        return error
