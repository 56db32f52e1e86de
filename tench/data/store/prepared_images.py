"""Read prepared images and verify them against the digests in the index."""

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
    """Read and verify the prepared image of a row.

    Args:
        row: of the index.
        folder: the folder that `row.path` is relative to.

    Returns:
        RGB, uint8 (size, size, 3).

    Raises:
        TenchError: the image is missing or damaged.
        OSError: the file cannot be read.
    """
    file = folder / row.path
    with explain_damage(file):
        pixels = verified_pixels(read_from_pack(file), row.prepared_sha256)
        if pixels is not None:
            return pixels
    raise damaged_image_error(file)


def read_eval_image(row: Row) -> RGB:
    """Read and verify an image in data/eval_subset, as `read_prepared` does."""
    return read_prepared(row, EVAL_SUBSET)


def read_prepared_bytes(row: Row) -> bytes:
    """Read the WebP file of a row's prepared image, without verifying its pixels.

    Raises:
        TenchError: the image is missing or its pack is damaged.
        OSError: the file cannot be read.
    """
    with explain_damage(PREPARED / row.path):
        return read_from_pack(PREPARED / row.path)


@contextmanager
def explain_damage(file: Path) -> Iterator[None]:
    """Turn errors of a block that reads an image into a TenchError with the fix.

    Errors of the system, such as a full memory, are not caught.
    """
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
    """The error for an image whose file or pixels have changed."""
    return damaged_file_error(file, "damaged, not the pixels that were written", find_pack(file))


def verified_pixels(content: bytes, sha256: str) -> RGB | None:
    """Decode a WebP file to uint8 (size, size, 3); None if its pixel digest is not `sha256`.

    Raises what Pillow raises.
    """
    with Image.open(io.BytesIO(content), formats=("WEBP",)) as image:
        image.load()
        return np.asarray(image) if pixel_digest(image) == sha256 else None
