"""A pool of worker processes that predict images, one per core.

In one process, decoding, prediction and requests would wait for each other, since Python runs one
thread at a time. Each image goes to an idle worker over a pipe. If a worker dies, a new one repeats
the image. A worker that takes too long is killed: native code that holds the interpreter's lock
cannot be stopped in any other way.
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

# an image, the number of classes to list, whether to add a Grad-CAM image
PredictUpload = Callable[[Upload, int, bool], SerializedPrediction]
WORKER_PROGRAM = "from tench.deploy.serve.workers import run_worker; run_worker()"
START_TIMEOUT = 120  # seconds for a worker to open the export


class Worker(NamedTuple):
    """A worker process and the pipe to it."""

    process: subprocess.Popen[bytes]
    pipe: Connection


@contextmanager
def open_worker_pool(
    exported: ExportedClassifier, runtime: str, timeout: float
) -> Iterator[PredictUpload]:
    """Open a function that predicts an image, to call from one thread per core.

    Args:
        exported: Description of the classifier.
        runtime: One of RUNTIMES.
        timeout: Seconds for an image, after which its worker is killed.

    Raises:
        TenchError: A file of the export is missing or damaged, or a worker died while starting.
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
                raise start_error(worker) from None
        yield partial(request_prediction, idle, start, timeout)
    finally:
        while not idle.empty():
            stop_worker(idle.get())


def start_worker(folder: Path, runtime: str) -> Worker:
    """Start a worker; `wait_until_ready` receives its first message."""
    ours, theirs = Pipe()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER_PROGRAM, str(theirs.fileno()), folder, runtime],
            pass_fds=[theirs.fileno()],
            process_group=0,  # Ctrl-C reaches only the server, which completes requests first
        )
    return Worker(process, ours)


@contextmanager
def kill_after(seconds: float, worker: Worker) -> Iterator[None]:
    """Kill a worker if the block takes longer than `seconds`."""
    timer = Timer(seconds, worker.process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def wait_until_ready(worker: Worker) -> None:
    """Wait until a worker has opened the export.

    Raises:
        TenchError: It cannot open the export.
        EOFError, OSError: It died.
    """
    with kill_after(START_TIMEOUT, worker):
        error = worker.pipe.recv()
    if error is not None:
        raise error


def start_error(worker: Worker) -> TenchError:
    """Error for a worker that died while starting."""
    code = worker.process.wait()
    cause = f"killed by signal {-code}" if code < 0 else f"exit status {code}"
    return TenchError(
        f"a worker process died while starting ({cause}): free some memory, or set "
        "LOKY_MAX_CPU_COUNT to start fewer workers than cores"
    )


def stop_worker(worker: Worker) -> None:
    """Kill a worker. It has no files to close."""
    worker.pipe.close()
    worker.process.kill()
    worker.process.wait()


def request_prediction(
    idle: "SimpleQueue[Worker]",
    start: Callable[[], Worker],
    timeout: float,
    *arguments: Upload | int | bool,
) -> SerializedPrediction:
    """Predict an image with an idle worker; replace a worker that dies, and try once more.

    Args:
        idle: Idle workers.
        start: Starts a worker.
        timeout: Seconds for the image.
        arguments: Arguments of PredictUpload.

    Raises:
        MemoryError: Two workers died, most likely killed by the system for lack of memory.
        TimeoutError: The worker took longer than `timeout` and was killed.
    """
    worker = idle.get()
    try:
        for _ in range(2):
            started = time.monotonic()
            try:
                with kill_after(timeout, worker):
                    worker.pipe.send(arguments)
                    result = worker.pipe.recv()
            except (EOFError, OSError):
                timed_out = time.monotonic() - started >= timeout
                stop_worker(worker)
                worker = start()
                with suppress(EOFError, OSError):  # if it dies too, the next use replaces it
                    wait_until_ready(worker)
                if timed_out:
                    raise TimeoutError from None
            else:
                if isinstance(result, Exception):
                    raise result
                return cast(SerializedPrediction, result)
    finally:
        idle.put(worker)
    raise MemoryError


def run_worker() -> None:
    """Main function of a worker: predict images until the pipe is closed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # sent to the whole group, it is for the server
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # available_cores() in this process
    descriptor, folder, runtime = sys.argv[1:]
    with Connection(int(descriptor)) as pipe, suppress(EOFError, ConnectionError):
        try:
            with open_classifier(read_export(Path(folder)), runtime) as classifier:
                pipe.send(None)
                while True:
                    pipe.send(result_or_error(partial(predict_upload, classifier, *pipe.recv())))
        except TenchError as error:
            pipe.send(error)


def result_or_error(
    function: Callable[[], SerializedPrediction],
) -> SerializedPrediction | Exception:
    """Result of a function, or its error with the traceback as a note: pickling loses it."""
    try:
        return function()
    except Exception as error:
        error.add_note(traceback.format_exc())
        return error
