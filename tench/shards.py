"""Feature shards: rows of one shape in numbered .npy files of at most ROWS rows each."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray

ROWS = 4096


@dataclass(frozen=True)
class Shards:
    """A folder of shards, opened for reading rows by their number."""

    files: tuple[Path, ...]
    offset: int  # bytes of header before the first row, the same in every shard
    row_shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    rows: int


def new_shard(folder: Path, number: int, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap:
    """Create shard `number` of shape (rows, ...) and return it as a writable memory map."""
    folder.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(folder / f"{number:05d}.npy", "w+", dtype, shape)


def open_shards(folder: Path) -> Shards:
    """Open the shards in `folder`, in the order of their numbers."""
    files = tuple(sorted(folder.glob("*.npy")))
    maps = [np.load(file, mmap_mode="r") for file in files]
    return Shards(
        files=files,
        offset=maps[0].offset,
        row_shape=maps[0].shape[1:],
        dtype=maps[0].dtype,
        rows=sum(len(m) for m in maps),
    )


def read_rows(shards: Shards, rows: NDArray[np.int64]) -> NDArray[np.generic]:
    """Read the rows numbered `rows`, in that order, as an array (len(rows), *row_shape).

    Plain file reads, not memory maps: touched pages of a map count as the process's memory, which
    would then grow with the data.
    """
    out = np.empty((len(rows), *shards.row_shape), shards.dtype)
    row_bytes = int(np.prod(shards.row_shape)) * shards.dtype.itemsize
    numbers = rows // ROWS
    for number in np.unique(numbers):
        with shards.files[number].open("rb", buffering=0) as file:
            for place in np.flatnonzero(numbers == number):
                file.seek(shards.offset + int(rows[place] % ROWS) * row_bytes)
                file.readinto(out[place].data)
    return out
