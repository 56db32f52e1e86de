"""Pictures that are in the data more than once: the same pixels, or nearly the same features."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.cli import in_threads, progress
from tench.index import FOLDER, Row
from tench.shards import Shards, read_rows

BLOCK = 2048  # rows compared at a time
# Two pictures are nearly one if their pooled features are as alike as audit.near_duplicate says; or
# if they are each other's neighbours by features (a cosine of LOOK) and a glance at the pixels
# confirms it (a correlation of SAME_PIXELS). docs/trust.md tells why these.
LOOK, SAME_PIXELS = 0.7, 0.97
GLANCE = 32  # pixels a side


class Pair(NamedTuple):
    """Two pictures that are one, or nearly; the earlier in the index first."""

    first: Row
    second: Row
    kind: str  # exact: the same pixels; near: features alike
    similarity: float  # cosine of their pooled features, or 1 where the pixels are the same

    @property
    def across(self) -> bool:
        """Whether they are in different splits: what is learnt from one is known of the other."""
        return self.first.split != self.second.split


def exact_pairs(rows: Sequence[Row]) -> list[Pair]:
    """Pictures of equal decoded pixels: each with the first of its kind in every split."""
    of_pixels: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_pixels[row.sha256].append(row)
    pairs: dict[tuple[Row, Row], Pair] = {}
    for same in of_pixels.values():
        firsts: dict[str, Row] = {}
        for row in same:
            pairs |= {(first, row): Pair(first, row, "exact", 1.0) for first in firsts.values()}
            firsts.setdefault(row.split, row)
    return list(pairs.values())


def read_block(parts: Sequence[Shards], start: int) -> NDArray[np.float32]:
    """At most BLOCK rows from row `start` of the shard folders one after another, each of length
    one: float32 (rows, width)."""
    blocks, first = [], 0
    for part in parts:
        inside = np.arange(max(start - first, 0), min(start + BLOCK - first, part.rows))
        blocks.append(read_rows(part, inside))
        first += part.rows
    block = np.concatenate(blocks).astype(np.float32)
    norms = np.linalg.norm(block, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(block, norms, out=np.zeros_like(block), where=norms > 0)
    return unit


def nearest(
    parts: Sequence[Shards],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Every row's nearest other row in each part, by the cosine of the angle between them.

    Args:
        parts: shard folders of float rows of equal width; rows are counted through all of them.

    Returns:
        The neighbours' row numbers and the cosines, both (rows, parts).
    """
    bounds = np.cumsum([0, *(part.rows for part in parts)])
    total = int(bounds[-1])
    neighbour = np.zeros((total, len(parts)), np.int64)
    cosine = np.full((total, len(parts)), -1, np.float32)
    for start in range(0, total, BLOCK):
        here = read_block(parts, start)
        mine = np.arange(start, start + len(here))
        for other in range(0, total, BLOCK):
            there = read_block(parts, other)
            found = here @ there.T
            if other == start:
                np.fill_diagonal(found, -1)  # not oneself
            for number in range(len(parts)):
                low = max(int(bounds[number]) - other, 0)
                high = min(int(bounds[number + 1]) - other, len(there))
                if low >= high:
                    continue
                best = low + found[:, low:high].argmax(axis=1)
                value = found[np.arange(len(here)), best]
                better = value > cosine[mine, number]
                neighbour[mine[better], number] = other + best[better]
                cosine[mine[better], number] = value[better]
    return neighbour, cosine


def near_pairs(rows: Sequence[Row], parts: Sequence[Shards], threshold: float) -> list[Pair]:
    """Pictures nearly alike whose pixels differ: each with its nearest neighbour in every split.

    Args:
        rows: the index.
        parts: the pooled features of its rows, split by split.
        threshold: cosine of the features from which they alone decide, 0 ... 1.
    """
    neighbour, cosine = nearest(parts)
    found = {}
    for place, number in np.argwhere(cosine >= min(LOOK, threshold)):
        one, two = sorted((int(place), int(neighbour[place, number])))
        if rows[one].sha256 != rows[two].sha256:
            similarity = float(cosine[place, number])
            found[one, two] = Pair(rows[one], rows[two], "near", similarity)
    pairs = [found[places] for places in sorted(found)]

    def nearly_one(pair: Pair) -> bool:
        return pair.similarity >= threshold or correlation(pair) >= SAME_PIXELS

    verdicts = progress(in_threads(nearly_one, pairs), "audit duplicates", len(pairs), "pairs")
    return [pair for pair, verdict in zip(pairs, verdicts, strict=True) if verdict]


@lru_cache(maxsize=16_384)
def glance(path: str) -> NDArray[np.uint8]:
    """A prepared picture at GLANCE pixels a side, grey."""
    with Image.open(FOLDER / path) as picture:
        return np.asarray(picture.convert("L").resize((GLANCE, GLANCE), Image.Resampling.BOX))


def correlation(pair: Pair) -> float:
    """Pearson correlation of two pictures' pixels at a glance, -1 ... 1, or of one with the other's
    mirror image if that is larger; 0 where one has no contrast."""
    one, two = (glance(row.path).astype(np.float64) for row in (pair.first, pair.second))
    one, two = one - one.mean(), two - two.mean()
    norms = float(np.linalg.norm(one) * np.linalg.norm(two))
    same, mirrored = float((one * two).sum()), float((one * two[:, ::-1]).sum())
    return max(same, mirrored) / norms if norms else 0.0


def worst_first(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs across splits before those within one, the most alike first."""
    return sorted(
        pairs, key=lambda pair: (not pair.across, -pair.similarity, pair.first, pair.second)
    )
