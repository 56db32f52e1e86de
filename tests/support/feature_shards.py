"""Feature shards made by tests, as the stage embed writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tench.core.files import file_sha256
from tench.data.index import Row
from tench.data.store import shards
from tench.data.store.shards import Shards, create_shard, open_shards, shard_file, write_manifest


def make_row(number: int, split: str = "train", pixels: str = "", label: int = 0) -> Row:
    """A row of the index. Equal `pixels` stand for equal images."""
    name, digest = f"c{label}", pixels or f"{split} {number}"
    path, source = f"{split}/{name}/{number}.webp", f"{split}/{name}/{number}.jpg"
    return Row(path, split, label, name, source, digest, digest, 0, number)


def write_features(
    folder: Path, features: NDArray[np.generic], rows: Sequence[Row] | None = None
) -> Shards:
    """Write features as a folder of shards and open it; of the images in `rows`, or of any."""
    images = rows or [make_row(number) for number in range(len(features))]
    digests = []
    for number, start in enumerate(range(0, len(features), shards.SHARD_ROWS)):
        content = features[start : start + shards.SHARD_ROWS]
        with create_shard(folder, number, content.shape, content.dtype) as shard:
            shard.write(0, content)
        digests.append(file_sha256(shard_file(folder, number)))
    write_manifest(folder, images, digests)
    return open_shards(folder, images)
