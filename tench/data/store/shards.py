"""Feature shards: rows of one shape in numbered .npy files of at most ROWS rows each.

The manifest of a folder of shards, written last, says of which images the rows are and what the
files' digests are; reading begins with comparing them.
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

SHARD_ROWS = 1024  # so many at most are embedded again after a stop


@dataclass(frozen=True)
class Shards:
    """Rows of a folder of shards, opened for reading by their number among those."""

    files: tuple[Path, ...]
    offset: int  # bytes of header before the first row, the same in every shard
    row_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    places: NDArray[np.int64]  # which of the rows in the files

    @property
    def rows(self) -> int:
        return len(self.places)


@dataclass(frozen=True)
class ShardWriter:
    """A shard being written; rows may be written by several threads, in any order."""

    descriptor: int
    offset: int  # of the first row
    row_bytes: int

    def write(self, start: int, rows: NDArray[np.generic]) -> None:
        """Write rows from row `start` of the shard on. OSError where the disk is full."""
        content = np.ascontiguousarray(rows).data.cast("B")
        place = self.offset + start * self.row_bytes
        while content:
            written = os.pwrite(self.descriptor, content, place)
            content, place = content[written:], place + written


def shard_file(folder: Path, number: int) -> Path:
    """The file of shard `number`."""
    return folder / f"{number:05d}.npy"


@contextmanager
def create_shard(
    folder: Path, number: int, shape: tuple[int, ...], dtype: DTypeLike
) -> Iterator[ShardWriter]:
    """Create shard `number` of shape (rows, ...), whole or not at all.

    Plain writes, not a memory map: a full disk kills a process that writes to a map.
    """
    kind = np.dtype(dtype)
    with atomic_file(shard_file(folder, number)) as part, part.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": kind.str, "fortran_order": False, "shape": shape}
        )
        file.flush()
        row_bytes = int(np.prod(shape[1:])) * kind.itemsize
        yield ShardWriter(file.fileno(), file.tell(), row_bytes)


def write_manifest(folder: Path, images: Sequence[Row], digests: Sequence[str]) -> None:
    """Say what a folder of shards holds: of which images the rows are, and the digest of every
    shard, in the order of their numbers."""
    names = [shard_file(folder, number).name for number in range(len(digests))]
    manifest = {
        "rows": len(images),
        "images": images_digest(images),
        "files": dict(zip(names, digests, strict=True)),
    }
    write_json(manifest, folder / MANIFEST)


def images_digest(images: Sequence[Row]) -> str:
    """What tells these prepared images, in this order, from others: SHA-256 of their digests."""
    digests = "\n".join(row.prepared_sha256 for row in images)
    return hashlib.sha256(digests.encode()).hexdigest()


def open_shards(folder: Path, rows: Sequence[Row]) -> Shards:
    """Open the shards in `folder`, for all rows of an index, in its order.

    Raises:
        TenchError: they are not whole, or not of these images.
    """
    if not (folder / MANIFEST).is_file():
        raise damaged_file_error(folder, "no features there, or not all")
    try:
        manifest = read_json(folder / MANIFEST)
        count, whose, digests = (manifest[key] for key in ("rows", "images", "files"))
    except (ValueError, KeyError, TypeError):
        what = "damaged, not what was written"
        raise damaged_file_error(folder / MANIFEST, what, folder) from None
    if count != len(rows):
        what = f"features of {count} images, but the index has {len(rows)}"
        raise damaged_file_error(folder, what)
    if whose != images_digest(in_feature_order(rows)):
        raise damaged_file_error(folder, "features of other images than the index has")
    files = tuple(sorted(folder.glob("*.npy")))
    if [file.name for file in files] != sorted(digests):
        raise damaged_file_error(folder, "a shard is missing or too many")
    for file in files:
        if file_sha256(file) != digests[file.name]:
            raise damaged_file_error(file, "damaged, not the bytes that were written", folder)
    first = np.load(files[0], mmap_mode="r")
    everything = Shards(files, first.offset, first.shape[1:], first.dtype, np.arange(count))
    return select_rows(everything, rows)


def select_rows(shards: Shards, rows: Sequence[Row]) -> Shards:
    """Some rows of the index alone, in the order given."""
    return replace(shards, places=np.array([row.feature_row for row in rows], np.int64))


def in_feature_order(rows: Sequence[Row]) -> list[Row]:
    """Rows of the index in the order that their features have."""
    return sorted(rows, key=lambda row: row.feature_row)


def read_rows(shards: Shards, rows: NDArray[np.int64]) -> NDArray[np.generic]:
    """Read the rows numbered `rows` of `shards`, in that order, as an array (len(rows),
    *row_shape).

    Plain file reads, not memory maps: touched pages of a map count as the process's memory, which
    would then grow with the data.

    Raises:
        TenchError: a file ends before a row does.
    """
    out = np.empty((len(rows), *shards.row_shape), shards.dtype)
    row_bytes = int(np.prod(shards.row_shape)) * shards.dtype.itemsize
    places = shards.places[rows]
    numbers = places // SHARD_ROWS
    for number in np.unique(numbers):
        with shards.files[number].open("rb", buffering=0) as file:
            for n in np.flatnonzero(numbers == number):
                file.seek(shards.offset + int(places[n] % SHARD_ROWS) * row_bytes)
                left = out[n : n + 1].data.cast("B")
                while count := file.readinto(left):
                    left = left[count:]
                if left:
                    what = "shorter than it was when it was checked"
                    raise damaged_file_error(
                        shards.files[number], what, shards.files[number].parent
                    )
    return out
