"""Small pictures: one whose parts can be told apart, folders of them, PNG files by hand, why a file
is no picture, and where to prepare them."""

import hashlib
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tench.pictures.reading import UnreadableError, read_picture

RAW = Path("raw")


def reason(file: Path) -> str:
    """Why the file cannot be read: one line."""
    with pytest.raises(UnreadableError) as caught:
        read_picture(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def quarters(mode: str = "RGB") -> Image.Image:
    """48 x 32 pixels, each quarter of another colour."""
    picture = Image.new("RGB", (48, 32), (230, 30, 40))
    picture.paste((20, 200, 60), (24, 0, 48, 16))
    picture.paste((30, 60, 220), (0, 16, 24, 32))
    picture.paste((240, 220, 40), (24, 16, 48, 32))
    return picture.convert(mode)


def png(
    size: tuple[int, int],
    depth: int,
    kind: int,
    rows: bytes,
    extra: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """The bytes of a PNG file of raw `rows`, each with its filter byte in front."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced))
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + chunk(b"IEND", b"")


def chunk(name: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def fresh() -> Path:
    """A new folder, below the current one, to prepare pictures in."""
    return Path(tempfile.mkdtemp(dir="."))


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """A file or folder that may not be read, for as long as the block takes, by root neither."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)


def draw(*files: str) -> None:
    """Write a small picture, of its own colours, for each path below RAW."""
    for name in files:
        file = RAW / name
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
        noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file, "PNG")
