"""Damage to files: a flipped bit or a truncation, with the date kept, as disks and memory do it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def flipped(content: bytes, bit: int | None = None) -> bytes:
    """With one other bit, in the middle if not said which."""
    place = len(content) // 2 * 8 if bit is None else bit
    spoilt = bytearray(content)
    spoilt[place // 8] ^= 1 << place % 8
    return bytes(spoilt)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": flipped,
    "cut to half": lambda content: content[: len(content) // 2],
    "cut to nothing": lambda content: b"",
}


def unlinked(file: Path) -> None:
    """Part a file from those of other tests that it may be linked with: DVC sees that."""
    content, status = file.read_bytes(), file.stat()
    file.unlink()
    file.write_bytes(content)
    file.chmod(status.st_mode)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def put(file: Path, content: bytes, date_kept: bool = True) -> None:
    """Give a file other bytes in place; with date and size as before, DVC does not see it."""
    if file.stat().st_nlink > 1:
        unlinked(file)
    status = file.stat()
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.truncate()
        opened.write(content)
    file.chmod(status.st_mode)
    if date_kept:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip(file: Path, place: int | None = None) -> None:
    """Flip one bit of a file, in the byte at `place` (negative from the end), or in the middle."""
    put(file, flipped(file.read_bytes(), None if place is None else place * 8))


@contextmanager
def damaged(file: Path, how: str) -> Iterator[None]:
    """A file with one of DAMAGES, for a while."""
    content = file.read_bytes()
    put(file, DAMAGES[how](content))
    try:
        yield
    finally:
        put(file, content)
