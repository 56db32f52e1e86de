"""Damage files by a flipped bit or a truncation, with the modification time unchanged."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def flip_bit(content: bytes, bit: int | None = None) -> bytes:
    """Return the content with one bit flipped, by default in the middle."""
    bit = len(content) // 2 * 8 if bit is None else bit
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


DAMAGE_KINDS: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": flip_bit,
    "cut to half": lambda content: content[: len(content) // 2],
    "cut to nothing": lambda content: b"",
}


def break_hard_link(file: Path) -> None:
    """Replace a hard link by a copy, so that the files of other tests stay intact. DVC notices."""
    content, status = file.read_bytes(), file.stat()
    file.unlink()
    file.write_bytes(content)
    file.chmod(status.st_mode)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def overwrite_file(file: Path, content: bytes, date_kept: bool = True) -> None:
    """Overwrite a file in place. With date and size unchanged, DVC does not notice."""
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
    """Damage a file in one of the DAMAGE_KINDS, and restore it at the end."""
    content = file.read_bytes()
    overwrite_file(file, DAMAGE_KINDS[how](content))
    try:
        yield
    finally:
        overwrite_file(file, content)
