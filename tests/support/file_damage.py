"""Damage to files: a flipped bit or a truncation, with the date kept, as disks and memory do it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def flip_bit(content: bytes, bit: int | None = None) -> bytes:
    """With one other bit, in the middle if not said which."""
    place = len(content) // 2 * 8 if bit is None else bit
    spoilt = bytearray(content)
    spoilt[place // 8] ^= 1 << place % 8
    return bytes(spoilt)


DAMAGE_KINDS: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": flip_bit,
    "cut to half": lambda content: content[: len(content) // 2],
    "cut to nothing": lambda content: b"",
}


def break_hard_link(file: Path) -> None:
    """Part a file from those of other tests that it may be linked with: DVC sees that."""
    content, status = file.read_bytes(), file.stat()
    file.unlink()
    file.write_bytes(content)
    file.chmod(status.st_mode)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def overwrite_file(file: Path, content: bytes, date_kept: bool = True) -> None:
    """Give a file other bytes in place; with date and size as before, DVC does not see it."""
    if file.stat().st_nlink > 1:
        break_hard_link(file)
    status = file.stat()
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.truncate()
        opened.write(content)
    file.chmod(status.st_mode)
    if date_kept:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip_bit_in_file(file: Path, place: int | None = None) -> None:
    """Flip one bit of a file, in the byte at `place` (negative from the end), or in the middle."""
    overwrite_file(file, flip_bit(file.read_bytes(), None if place is None else place * 8))


@contextmanager
def temporarily_damaged(file: Path, how: str) -> Iterator[None]:
    """A file with one of DAMAGES, for a while."""
    content = file.read_bytes()
    overwrite_file(file, DAMAGE_KINDS[how](content))
    try:
        yield
    finally:
        overwrite_file(file, content)
