"""Reading images in a process of its own, within limits: what crashes, hangs or takes all memory
ends that process alone.

Run as a program, it reads images named on standard input, one JSON list a line, and answers so.
"""

import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

CHECKOUT_ROOT = Path(__file__).parents[2]
MAX_SECONDS = 10.0  # of processor time, an image
MAX_BYTES = 1e9  # of memory, Python and Pillow included
MAX_ADDRESS_SPACE = 3_000_000_000  # beyond, there is no memory to be had
TIMEOUT_SECONDS = 120  # seconds without an answer


class ReadResult(NamedTuple):
    """What became of an image."""

    reason: str  # why it cannot be read; "" if it was
    seconds: float  # of processor time
    peak: float  # bytes the process has held at most, until now


ReadFunction = Callable[[bytes, str], ReadResult]


@contextmanager
def open_limited_reader(folder: Path) -> Iterator[ReadFunction]:
    """A function that has an image's bytes read, and resized the way that is named.

    It raises AssertionError where the process ended, or exceeded a limit.
    """
    file, errors = folder / "image", folder / "errors"  # no pipe: decoders would fill it
    process: subprocess.Popen[bytes] | None = None

    def stop() -> str:
        nonlocal process
        assert process
        ended = process.poll()
        process.kill()
        process.communicate()
        process = None
        said = errors.read_text(encoding="utf-8", errors="replace")
        return f"ended with {ended}: {said[-2000:]}"

    def read(content: bytes, how: str) -> ReadResult:
        nonlocal process
        file.write_bytes(content)
        if process is None:
            with errors.open("wb") as out:
                process = subprocess.Popen(
                    [sys.executable, __file__],
                    env={**os.environ, "PYTHONPATH": str(CHECKOUT_ROOT)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=out,
                )
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps([str(file), how]).encode() + b"\n")
        process.stdin.flush()
        there, _, _ = select.select([process.stdout], [], [], TIMEOUT_SECONDS)
        line = process.stdout.readline() if there else b""
        assert line, stop()
        answer = ReadResult(*json.loads(line))
        assert answer.peak < MAX_BYTES, (answer, stop())
        return answer

    try:
        yield read
    finally:
        if process:
            stop()


def peak_memory_bytes() -> float:
    """The most memory this process has held, in bytes; of Linux not what its parent held."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024.0
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    from tench.data.decode.decoder import UnreadableError, read_image
    from tench.data.decode.resize import resize
    from tench.data.init.survey import read_header

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))
    for line in sys.stdin:
        name, how = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)  # the signal ends the process
        started, reason = time.process_time(), ""
        try:
            read_header(Path(name))
            small = resize(read_image(Path(name)), 160, how)
            assert (small.mode, small.size) == ("RGB", (160, 160))
        except UnreadableError as error:
            reason = str(error)
            assert reason
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([reason, time.process_time() - started, peak_memory_bytes()]), flush=True)


if __name__ == "__main__":
    main()
