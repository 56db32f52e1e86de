"""Processes that look at images, one a core, each asked over a pipe.

In one process, decoding, the network and the requests would wait for each other: Python runs one
thread at a time. The images of all requests go to whichever process is idle; if one dies, a new
one is asked again. One that is stuck is killed: native code that holds the interpreter's lock can
be stopped in no other way.
"""

import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from queue import SimpleQueue
from threading import Timer
from typing import NamedTuple, cast

from tench.core.errors import TenchError
from tench.core.parallel import available_cores
from tench.deploy.runtime.export_folder import ExportedClassifier, read_export
from tench.deploy.runtime.predictor import open_classifier
from tench.deploy.serve.responses import SerializedPrediction, predict_upload
from tench.deploy.serve.uploads import Upload

PredictUpload = Callable[
    [Upload, int, bool], SerializedPrediction
]  # an image, how many classes, whether to explain
WORKER_PROGRAM = "from tench.deploy.serve.workers import run_worker; run_worker()"
START_TIME = 120  # seconds for a worker to open the export


class Worker(NamedTuple):
    """A process that looks at images, and the pipe to it."""

    process: subprocess.Popen[bytes]
    pipe: Connection


@contextmanager
def open_worker_pool(
    exported: ExportedClassifier, runtime: str, timeout: float
) -> Iterator[PredictUpload]:
    """A function that looks at images, to be called in as many threads as there are cores.

    Args:
        exported: the classifier.
        runtime: one of RUNTIMES.
        timeout: seconds for an image, after which the process that looks at it is killed.

    Raises:
        TenchError: a file of the export is damaged or missing, or a process died while starting.
    """
    start = partial(start_worker, exported.folder, runtime)
    idle: SimpleQueue[Worker] = SimpleQueue()
    try:
        for _ in range(available_cores()):
            idle.put(start())
        for _ in range(available_cores()):
            worker = idle.get()
            idle.put(worker)
            try:
                wait_until_ready(worker)
            except (EOFError, OSError):
                raise death(worker) from None
        yield partial(request_prediction, idle, start, timeout)
    finally:
        while not idle.empty():
            stop_worker(idle.get())


def start_worker(folder: Path, runtime: str) -> Worker:
    """A worker; the first it says is whether it could open the export."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER_PROGRAM, str(theirs.fileno()), folder, runtime],
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C is for the server, which answers what is in flight first
        )
    return Worker(process, ours)


@contextmanager
def killed_after(seconds: float, worker: Worker) -> Iterator[None]:
    """Kill a worker that is not done in time, whether it reads, computes or answers."""
    timer = Timer(seconds, worker.process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_until_ready(worker: Worker) -> None:
    """Wait for a worker to open the export. TenchError if it cannot, EOFError or OSError if it
    dies."""
    with killed_after(START_TIME, worker):
        said = worker.pipe.recv()
    if said is not None:
        raise said


def death(worker: Worker) -> TenchError:
    """The error that a worker has died before it was ready."""
    code = worker.process.wait()
    how = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
    return TenchError(
        f"a process of the server ended before it was ready ({how}): free some memory, or set "
        "LOKY_MAX_CPU_COUNT to fewer processes than cores"
    )


def stop_worker(worker: Worker) -> None:
    """End a worker, whatever it does. It has no files to close."""
    worker.pipe.close()
    worker.process.kill()
    worker.process.wait()


def request_prediction(
    idle: "SimpleQueue[Worker]",
    start: Callable[[], Worker],
    timeout: float,
    *question: Upload | int | bool,
) -> SerializedPrediction:
    """What an idle worker says of an image; in the place of one that has died comes a new one.

    Raises:
        MemoryError: two of them died of it: the system ends processes for want of memory.
        TimeoutError: one took longer than `timeout` seconds, and was killed.
    """
    worker = idle.get()
    try:
        for _ in range(2):
            begun = time.monotonic()
            try:
                with killed_after(timeout, worker):
                    worker.pipe.send(question)
                    said = worker.pipe.recv()
            except (EOFError, OSError):
                late = time.monotonic() - begun >= timeout
                stop_worker(worker)
                worker = start()
                with suppress(EOFError, OSError):  # where it dies at once, the next turn finds out
                    wait_until_ready(worker)
                if late:
                    raise TimeoutError from None
            else:
                if isinstance(said, Exception):
                    raise said
                return cast(SerializedPrediction, said)
    finally:
        idle.put(worker)
    raise MemoryError


def run_worker() -> None:
    """What a worker does: answer what comes over its pipe until the other end is closed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # who sends it to all means the server
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # cores() for this process
    number, folder, runtime = sys.argv[1:]
    with Connection(int(number)) as pipe, suppress(EOFError, ConnectionError):
        try:
            with open_classifier(read_export(Path(folder)), runtime) as classifier:
                pipe.send(None)
                while True:
                    pipe.send(result_or_error(partial(predict_upload, classifier, *pipe.recv())))
        except TenchError as error:
            pipe.send(error)


def result_or_error(look: Callable[[], SerializedPrediction]) -> SerializedPrediction | Exception:
    """What a function returns or raises; the latter with its trace, which pipes lose, as a note."""
    try:
        return look()
    except Exception as error:
        error.add_note(traceback.format_exc())
        return error
