"""Silence C++ libraries, and keep printing from failing."""

import atexit
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what C++ libraries write to file descriptor 2. Python errors still raise."""
    sys.stderr.flush()
    stderr = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(devnull)


@contextmanager
def ignore_closed_pipe() -> Iterator[None]:
    """Leave a block that prints silently when the reader of stdout is gone (`| head`).

    Output after the block is then discarded.
    """
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
    """Discard standard output, including its buffer."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def silence_stderr_at_exit() -> None:
    """Discard what C++ libraries write to stderr while the process exits."""
    atexit.register(lambda: os.dup2(os.open(os.devnull, os.O_WRONLY), 2))


def escape_unencodable_output() -> None:
    """Escape characters that the encoding of stdout lacks, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
