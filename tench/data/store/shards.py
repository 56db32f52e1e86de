"""Feature shards: arrays split into numbered .npy files of at most SHARD_ROWS rows.

The manifest of a shard folder is written last. It contains the digest of the images and of every
file; `open_shards` verifies both.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tench.core.files import atomic_file, file_sha256, read_json, write_json
from tench.core.paths import MANIFEST
from tench.data.index import Row
from tench.run.recovery import damaged_file_error

SHARD_ROWS = 1024  # at most this many rows are computed again after an interruption


@dataclass(frozen=True)
class Shards:
    """Selected rows of a shard folder, opened for reading."""

    files: tuple[Path, ...]
    offset: int  # header size in bytes, the same in every shard
    row_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    indices: NDArray[np.int64]  # (rows,), of the selected rows in the files

    @property
    def rows(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class ShardWriter:
    """Write rows of a shard, in any order and from any thread."""

    descriptor: int
    offset: int  # of the first row, in bytes
    row_bytes: int

    def write(self, start: int, rows: NDArray[np.generic]) -> None:
        """Write `rows` at index `start` of the shard. Raises OSError if the disk is full."""
        content = np.ascontiguousarray(rows).data.cast("B")
        offset = self.offset + start * self.row_bytes
        while content:
            written = os.pwrite(self.descriptor, content, offset)
            content, offset = content[written:], offset + written


def shard_file(folder: Path, number: int) -> Path:
    """The path of shard `number`."""
    return folder / f"{number:05d}.npy"


@contextmanager
def create_shard(
    folder: Path, number: int, shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[ShardWriter]:
    """Create shard `number` atomically: the file appears when the block ends without an error.

    Uses plain writes, not a memory map: on a full disk, writing to a map kills the process.

    Args:
        folder: the shard folder.
        number: index of the shard.
        shape: (rows, ...) of the shard's array.
        dtype: of the array.
    """
    item = np.dtype(dtype)
    with atomic_file(shard_file(folder, number)) as part, part.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": item.str, "fortran_order": False, "shape": shape}
        )
        file.flush()
        row_bytes = int(np.prod(shape[1:])) * item.itemsize
        yield ShardWriter(file.fileno(), file.tell(), row_bytes)


def write_manifest(folder: Path, images: Sequence[Row], digests: Sequence[str]) -> None:
    """Write the manifest of a shard folder.

    Args:
        folder: the shard folder.
        images: rows of the index, in the order of their features.
        digests: SHA-256 of every shard, in the order of their numbers.
    """
    names = [shard_file(folder, number).name for number in range(len(digests))]
    manifest = {
        "rows": len(images),
        "images": images_digest(images),
        "files": dict(zip(names, digests, strict=True)),
    }
    write_json(manifest, folder / MANIFEST)


def images_digest(images: Sequence[Row]) -> str:
    """SHA-256 of the digests of prepared images, which identifies the images and their order."""
    digests = "\n".join(row.prepared_sha256 for row in images)
    return hashlib.sha256(digests.encode()).hexdigest()


def open_shards(folder: Path, rows: Sequence[Row]) -> Shards:
    """Open the shards in `folder` for all rows of an index, in its order, and verify them.

    Raises:
        TenchError: the shards are incomplete, damaged or of other images.
    """
    if not (folder / MANIFEST).is_file():
        raise damaged_file_error(folder, "features are missing or incomplete")
    try:
        manifest = read_json(folder / MANIFEST)
        count, images, digests = (manifest[key] for key in ("rows", "images", "files"))
    except (ValueError, KeyError, TypeError):
        what = "damaged"
        raise damaged_file_error(folder / MANIFEST, what, folder) from None
    if count != len(rows):
        what = f"contains features of {count} images, but the index has {len(rows)}"
        raise damaged_file_error(folder, what)
    if images != images_digest(in_feature_order(rows)):
        raise damaged_file_error(folder, "contains features of other images than the index")
    files = tuple(sorted(folder.glob("*.npy")))
    if [file.name for file in files] != sorted(digests):
        raise damaged_file_error(folder, "a shard is missing, or there is an extra one")
    for file in files:
        if file_sha256(file) != digests[file.name]:
            raise damaged_file_error(file, "damaged, not the bytes that were written", folder)
    first = np.load(files[0], mmap_mode="r")
    everything = Shards(files, first.offset, first.shape[1:], first.dtype, np.arange(count))
    return select_rows(everything, rows)


def select_rows(shards: Shards, rows: Sequence[Row]) -> Shards:
    """Select the features of some rows of the index, in the given order."""
    return replace(shards, indices=np.array([row.feature_row for row in rows], np.int64))


def in_feature_order(rows: Sequence[Row]) -> list[Row]:
    """Sort rows of the index by the order of their features."""
    return sorted(rows, key=lambda row: row.feature_row)


def read_rows(shards: Shards, rows: NDArray[np.int64]) -> NDArray[np.generic]:
    """Read rows of `shards` by index.

    Uses plain file reads, not memory maps: touched pages of a map count as memory of the process,
    which would grow with the data.

    Args:
        shards: opened shards.
        rows: (n,), indices among the selected rows of `shards`, in any order.

    Returns:
        (n, *row_shape), of the shards' dtype.

    Raises:
        TenchError: a file is truncated.
    """
    out = np.empty((len(rows), *shards.row_shape), shards.dtype)
    row_bytes = int(np.prod(shards.row_shape)) * shards.dtype.itemsize
    indices = shards.indices[rows]
    numbers = indices // SHARD_ROWS
    for number in np.unique(numbers):
        with shards.files[number].open("rb", buffering=0) as file:
            for n in np.flatnonzero(numbers == number):
                file.seek(shards.offset + int(indices[n] % SHARD_ROWS) * row_bytes)
                remaining = out[n : n + 1].data.cast("B")
                while count := file.readinto(remaining):
                    remaining = remaining[count:]
                if remaining:
                    what = "truncated after it was verified"
                    raise damaged_file_error(
                        shards.files[number], what, shards.files[number].parent
                    )
    return out
