"""Prepared pictures as a stage reads them: by their row of the index, which has their digest."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tench.console.damage import damage
from tench.core.errors import TenchError
from tench.core.packs import pack_of, read_packed
from tench.core.paths import ASKED, PREPARED
from tench.pictures.index import Row
from tench.pictures.prepared import RGB, pixel_digest
from tench.pictures.reading import is_machines


def read_checked(row: Row, folder: Path = PREPARED) -> RGB:
    """Read the prepared picture of a row as uint8 (size, size, 3), once its pixels are seen to be
    those that were written.

    Raises:
        TenchError: they are others, or there is no such file in `folder`.
        OSError: the machine does not let it be read.
    """
    file = folder / row.path
    with damage_told(file):
        pixels = checked_pixels(read_packed(file), row.prepared_sha256)
        if pixels is not None:
            return pixels
    raise damaged(file)


def read_asked(row: Row) -> RGB:
    """`read_checked` of what lies in data/asked."""
    return read_checked(row, ASKED)


def read_file(row: Row) -> bytes:
    """The file of a row's prepared picture, WebP. Raises what `read_checked` raises, but not if
    other pixels than were written lie there whole."""
    with damage_told(PREPARED / row.path):
        return read_packed(PREPARED / row.path)


@contextmanager
def damage_told(file: Path) -> Iterator[None]:
    """Turn what goes wrong in a block that reads a picture into an error that tells the way back,
    unless it is the machine's fault."""
    try:
        yield
    except FileNotFoundError:
        raise TenchError(f"{file}: missing: run `dvc repro`") from None
    except MemoryError:
        raise
    # zipfile and Pillow raise BadZipFile, OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        if is_machines(error):
            raise
        raise damaged(file) from None


def damaged(file: Path) -> TenchError:
    """The error about a picture that is not what was written."""
    return damage(file, "damaged, not the pixels that were written", pack_of(file))


def checked_pixels(content: bytes, sha256: str) -> RGB | None:
    """The pixels of a prepared picture's file as uint8 (size, size, 3), if their digest is
    `sha256`. Raises what Pillow raises."""
    with Image.open(io.BytesIO(content), formats=("WEBP",)) as picture:
        picture.load()
        return np.asarray(picture) if pixel_digest(picture) == sha256 else None
