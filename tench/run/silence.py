"""Output that neither C++ libraries fill nor a name breaks off."""

import atexit
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Send what C++ libraries write to file descriptor 2 to nowhere; Python errors still raise."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def ignore_closed_pipe() -> Iterator[None]:
    """Leave a block that prints quietly if who read standard output has enough (`| head`). What is
    printed after it goes nowhere."""
    try:
        yield
    except BrokenPipeError:
        discard_output()
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            discard_output()


def discard_output() -> None:
    """Send standard output, what waits in its buffer too, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def silence_stderr_at_exit() -> None:
    """Send what C++ libraries write when they are taken down, after Python itself, to nowhere."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def escape_unencodable_output() -> None:
    """Let standard output write what its encoding lacks as Python escapes it, not fail."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
