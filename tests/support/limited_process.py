"""Read images in a separate process with limits on time and memory.

A crash, a hang or a lack of memory ends that process only. Run as a program, it reads one JSON list
per line, [path, resize mode], and prints one, [reason, seconds, peak bytes].
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
MAX_SECONDS = 10.0  # of processor time per image
MAX_BYTES = 1e9  # of memory, with Python and Pillow
MAX_ADDRESS_SPACE = 3_000_000_000  # allocations beyond it fail
TIMEOUT_SECONDS = 120  # without output


class ReadResult(NamedTuple):
    """Result of reading an image."""

    reason: str  # why it is unreadable, or ""
    seconds: float  # of processor time
    peak: float  # peak memory of the process so far, in bytes


ReadFunction = Callable[[bytes, str], ReadResult]


@contextmanager
def open_limited_reader(folder: Path) -> Iterator[ReadFunction]:
    """Yield a function that reads and resizes an image, given its bytes and a resize mode.

    It raises AssertionError if the process ends or exceeds a limit.
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
    """Peak memory of this process in bytes, on Linux without that of its parent."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024.0
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def main() -> None:
    from tench.core.errors import UnreadableError
    from tench.data.decode.decoder import read_image
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
