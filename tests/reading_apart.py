"""Reading pictures in a process of its own, within limits: what crashes, hangs or takes all memory
ends that process alone.

Run as a program, it reads pictures named on standard input, one JSON list a line, and answers so.
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

ROOT = Path(__file__).parent.parent
SECONDS = 10.0  # of processor time, a picture
BYTES = 1e9  # of memory, Python and Pillow included
ADDRESSES = 3_000_000_000  # beyond, there is no memory to be had
PATIENCE = 120  # seconds without an answer


class Answer(NamedTuple):
    """What became of a picture."""

    reason: str  # why it cannot be read; "" if it was
    seconds: float  # of processor time
    peak: float  # bytes the process has held at most, until now


Read = Callable[[bytes, str], Answer]


@contextmanager
def reading_apart(folder: Path) -> Iterator[Read]:
    """A function that has a picture's bytes read, and resized the way that is named.

    It raises AssertionError where the process ended, or exceeded a limit.
    """
    file, errors = folder / "picture", folder / "errors"  # no pipe: decoders would fill it
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

    def read(content: bytes, how: str) -> Answer:
        nonlocal process
        file.write_bytes(content)
        if process is None:
            with errors.open("wb") as out:
                process = subprocess.Popen(
                    [sys.executable, __file__],
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=out,
                )
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps([str(file), how]).encode() + b"\n")
        process.stdin.flush()
        there, _, _ = select.select([process.stdout], [], [], PATIENCE)
        line = process.stdout.readline() if there else b""
        assert line, stop()
        answer = Answer(*json.loads(line))
        assert answer.peak < BYTES, (answer, stop())
        return answer

    try:
        yield read
    finally:
        if process:
            stop()


def peak() -> float:
    """The most memory this process has held, in bytes; of Linux not what its parent held."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024.0
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    from tench.adopting.found import read_header
    from tench.pictures.prepared import resize
    from tench.pictures.reading import UnreadableError, read_picture

    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    for line in sys.stdin:
        name, how = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # the signal ends the process
        started, reason = time.process_time(), ""
        try:
            read_header(Path(name))
            small = resize(read_picture(Path(name)), 160, how)
            assert (small.mode, small.size) == ("RGB", (160, 160))
        except UnreadableError as error:
            reason = str(error)
            assert reason
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([reason, time.process_time() - started, peak()]), flush=True)


if __name__ == "__main__":
    main()
