"""Small pictures: one whose parts can be told apart, folders of them, PNG files by hand, why a file
is no picture; and prepared ones."""

import hashlib
import io
import os
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from stages.prepare import prepare
from stages.split import split
from tench.core.files import read_csv
from tench.core.packs import read_packed, write_pack
from tench.core.params import Data
from tench.core.paths import PICTURES, PREPARED, REJECTED
from tench.pictures.index import Row, read_index, write_index
from tench.pictures.prepared import RGB, to_webp
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


def put_prepared(picture: Image.Image, path: Path) -> None:
    """Write a prepared picture, alone in its pack."""
    write_pack([(path.name, to_webp(picture))], path.parent)


def get_prepared(path: Path) -> RGB:
    """Read a prepared picture, unchecked."""
    return np.asarray(Image.open(io.BytesIO(read_packed(path))))


def packed(folder: Path = PREPARED) -> list[str]:
    """The paths of all prepared pictures."""
    return [
        f"{pack.relative_to(folder).as_posix()}/{name}"
        for pack in sorted(folder.rglob("*.zip"))
        for name in ZipFile(pack).namelist()
    ]


def prepare_and_split(data: Data, work: Path | None = None) -> list[Row]:
    """Run both on RAW with the seed 42; return the index, as it is read back."""
    prepare(data, work or fresh())
    write_index(split(read_index(PICTURES), data, 42))
    return read_index()


def rejected_files() -> list[dict[str, str]]:
    """What rejected.csv lists."""
    return read_csv(REJECTED)
