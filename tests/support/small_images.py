"""Small images: raw folders, PNG files byte by byte, and prepared images."""

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

from stages.prepare import prepare_dataset
from stages.split import split_dataset
from tench.core.errors import UnreadableError
from tench.core.files import read_csv
from tench.core.params import Data
from tench.core.paths import PREPARED, PREPARED_INDEX, REJECTED
from tench.core.zip_packs import read_from_pack, write_pack
from tench.data.decode.decoder import read_image
from tench.data.decode.resize import RGB, to_webp
from tench.data.index import Row, read_index, write_index

RAW_FOLDER = Path("raw")


def unreadable_reason(file: Path) -> str:
    """The reason why a file is unreadable, one line."""
    with pytest.raises(UnreadableError) as caught:
        read_image(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def draw_quarters(mode: str = "RGB") -> Image.Image:
    """An image of 48 x 32 pixels with four quarters of different colors."""
    image = Image.new("RGB", (48, 32), (230, 30, 40))
    image.paste((20, 200, 60), (24, 0, 48, 16))
    image.paste((30, 60, 220), (0, 16, 24, 32))
    image.paste((240, 220, 40), (24, 16, 48, 32))
    return image.convert(mode)


def encode_png(
    size: tuple[int, int],
    depth: int,
    kind: int,
    rows: bytes,
    extra: bytes = b"",
    interlaced: bool = False,
) -> bytes:
    """Encode raw `rows`, each with its filter byte first, as a PNG file."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced))
    body = png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + png_chunk(b"IEND", b"")


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Encode a chunk of a PNG file."""
    check = struct.pack(">I", zlib.crc32(name + content))
    return struct.pack(">I", len(content)) + name + content + check


def new_work_folder() -> Path:
    """Make a new work folder for `prepare` in the current directory."""
    return Path(tempfile.mkdtemp(dir="."))


@contextmanager
def temporarily_unreadable(path: Path) -> Iterator[None]:
    """Make a file or folder unreadable within the block, also for root."""
    mode, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        path.chmod(mode)


def write_small_images(*files: str) -> None:
    """Write a small image, different for each name, for each path in RAW_FOLDER."""
    for name in files:
        file = RAW_FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
        noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).save(file, "PNG")


def write_prepared_image(image: Image.Image, path: Path) -> None:
    """Write a prepared image in a pack of its own."""
    write_pack([(path.name, to_webp(image))], path.parent)


def read_prepared_unchecked(path: Path) -> RGB:
    """Read a prepared image without verifying it."""
    return np.asarray(Image.open(io.BytesIO(read_from_pack(path))))


def list_prepared_paths(folder: Path = PREPARED) -> list[str]:
    """List the paths of all prepared images."""
    return [
        f"{pack.relative_to(folder).as_posix()}/{name}"
        for pack in sorted(folder.rglob("*.zip"))
        for name in ZipFile(pack).namelist()
    ]


def prepare_and_split(data: Data, work: Path | None = None) -> list[Row]:
    """Run `prepare` and `split` (seed 42) on RAW_FOLDER and read the index."""
    prepare_dataset(data, work or new_work_folder())
    write_index(split_dataset(read_index(PREPARED_INDEX), data, 42))
    return read_index()


def read_rejected() -> list[dict[str, str]]:
    """Read rejected.csv."""
    return read_csv(REJECTED)
