"""Prepared images as a stage reads them: by their row of the index, which has their digest."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from tench.core.errors import TenchError
from tench.core.paths import EVAL_SUBSET, PREPARED
from tench.core.zip_packs import find_pack, read_from_pack
from tench.data.decode.decoder import is_system_error
from tench.data.decode.resize import RGB, pixel_digest
from tench.data.index import Row
from tench.run.recovery import damaged_file_error


def read_prepared(row: Row, folder: Path = PREPARED) -> RGB:
    """Read the prepared image of a row as uint8 (size, size, 3), once its pixels are seen to be
    those that were written.

    Raises:
        TenchError: they are others, or there is no such file in `folder`.
        OSError: the machine does not let it be read.
    """
    file = folder / row.path
    with explain_damage(file):
        pixels = verified_pixels(read_from_pack(file), row.prepared_sha256)
        if pixels is not None:
            return pixels
    raise damaged_image_error(file)


def read_eval_image(row: Row) -> RGB:
    """`read_checked` of what lies in data/eval_subset."""
    return read_prepared(row, EVAL_SUBSET)


def read_prepared_bytes(row: Row) -> bytes:
    """The file of a row's prepared image, WebP. Raises what `read_checked` raises, but not if
    other pixels than were written lie there whole."""
    with explain_damage(PREPARED / row.path):
        return read_from_pack(PREPARED / row.path)


@contextmanager
def explain_damage(file: Path) -> Iterator[None]:
    """Turn what goes wrong in a block that reads an image into an error that tells the way back,
    unless it is the machine's fault."""
    try:
        yield
    except FileNotFoundError:
        raise TenchError(f"{file}: missing: run `dvc repro`") from None
    except MemoryError:
        raise
    # zipfile and Pillow raise BadZipFile, OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        if is_system_error(error):
            raise
        raise damaged_image_error(file) from None


def damaged_image_error(file: Path) -> TenchError:
    """The error about an image that is not what was written."""
    return damaged_file_error(file, "damaged, not the pixels that were written", find_pack(file))


def verified_pixels(content: bytes, sha256: str) -> RGB | None:
    """The pixels of a prepared image's file as uint8 (size, size, 3), if their digest is
    `sha256`. Raises what Pillow raises."""
    with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
        image.load()
        return np.asarray(image) if pixel_digest(image) == sha256 else None
