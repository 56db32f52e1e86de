"""Pictures that are in the data more than once, by their pixels; and those that look alike."""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.console.progress import progress
from tench.core.parallel import in_threads
from tench.core.paths import PREPARED
from tench.pictures.index import Row, evenly
from tench.pictures.shards import Shards, read_rows

BLOCK = 2048  # rows compared at a time
# Two pictures are nearly one if they are each other's neighbours by features (a cosine of LOOK) and
# a glance at the pixels confirms it: what each has beside what all have in common correlates by
# SAME_PIXELS, and leaves MARGIN times less open than neighbours usually do in this folder: uniform
# pictures (scans, parts under one lamp) resemble each other more than others' copies do. Where the
# features alone are as alike as audit.near_duplicate says, pictures look alike, no more.
# docs/trust.md tells why these numbers.
LOOK, SAME_PIXELS, MARGIN = 0.7, 0.975, 20
GLANCE = 32  # pixels a side
ASKED = 1000  # pictures, to learn what is common and usual
NOTHING = 1e-6  # grey levels, rounding errors of an even picture
KINDS = ("exact", "near", "similar")


class Pair(NamedTuple):
    """Two pictures that are one, nearly, or perhaps; the earlier in the index first."""

    first: Row
    second: Row
    kind: str  # exact: the same pixels; near: nearly the same; similar: features alike, no more
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

    def search(start: int) -> None:
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

    starts = range(0, total, BLOCK)
    for _ in progress(in_threads(search, starts), "audit neighbours", len(starts), "blocks"):
        pass
    return neighbour, cosine


def near_pairs(rows: Sequence[Row], parts: Sequence[Shards], threshold: float) -> list[Pair]:
    """Pictures nearly alike whose pixels differ: each with its nearest neighbour in every split.

    Args:
        rows: the index.
        parts: the pooled features of its rows, split by split.
        threshold: cosine of the features from which pictures look alike, 0 ... 1.

    Returns:
        `near` pairs, which the pixels confirm, and `similar` ones, which features alone suggest.
    """
    neighbour, cosine = nearest(parts)
    found: dict[tuple[int, int], float] = {}
    for place, number in np.argwhere(cosine >= min(LOOK, threshold)):
        one, two = sorted((int(place), int(neighbour[place, number])))
        if rows[one].sha256 != rows[two].sha256:
            found[one, two] = float(cosine[place, number])
    common = in_common(rows)
    enough = confirming(rows, neighbour, cosine, common)

    def judge(places: tuple[int, int]) -> Pair | None:
        first, second = (rows[place] for place in places)
        similarity = found[places]
        if correlation(first, second, common) >= enough:
            return Pair(first, second, "near", similarity)
        return Pair(first, second, "similar", similarity) if similarity >= threshold else None

    candidates = sorted(found)
    verdicts = progress(in_threads(judge, candidates), "audit duplicates", len(candidates), "pairs")
    return [pair for pair in verdicts if pair]


@lru_cache(maxsize=16_384)
def glance(path: str) -> NDArray[np.uint8]:
    """A prepared picture at GLANCE pixels a side, grey."""
    with Image.open(PREPARED / path) as picture:
        return np.asarray(picture.convert("L").resize((GLANCE, GLANCE), Image.Resampling.BOX))


def in_common(rows: Sequence[Row]) -> NDArray[np.float64]:
    """What pictures have in common: the mean of ASKED of them at a glance."""
    some = [rows[place] for place in evenly(len(rows), ASKED)]
    return np.asarray(np.mean([glance(row.path) for row in some], axis=0))


def confirming(
    rows: Sequence[Row],
    neighbour: NDArray[np.int64],
    cosine: NDArray[np.float32],
    common: NDArray[np.float64],
) -> float:
    """The correlation from which a glance at the pixels confirms that two pictures are one: at
    least SAME_PIXELS, more where neighbours are usually alike (the lower quartile of ASKED of
    them, so that copies, up to three quarters of all, do not count as usual)."""
    some = evenly(len(rows), ASKED)
    nearest_of = neighbour[some, cosine[some].argmax(axis=1)]
    alike = [
        correlation(rows[one], rows[two], common) for one, two in zip(some, nearest_of, strict=True)
    ]
    return 1 - min(1 - SAME_PIXELS, (1 - float(np.quantile(alike, 0.25))) / MARGIN)


def own(picture: NDArray[Any], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a picture has beside brightness and any amount of what all have in common: the rest
    after projecting both out, of length one; 0 where nothing is left."""
    rest = picture - picture.mean()
    shared = common - common.mean()
    if norm := float((shared * shared).sum()):
        rest = rest - float((rest * shared).sum()) / norm * shared
    length = float(np.linalg.norm(rest))
    return np.asarray(rest / length if length > NOTHING else np.zeros_like(rest))


def correlation(first: Row, second: Row, common: NDArray[np.float64]) -> float:
    """How alike two pictures are at a glance in what is their own: the partial correlation of their
    pixels, -1 ... 1, given what all have in common; or of one with the other's mirror image if that
    is larger; 0 where one has nothing of its own."""
    two = glance(second.path)
    mine = own(glance(first.path), common)
    return max(float(np.vdot(mine, own(side, common))) for side in (two, two[:, ::-1]))


def leaks(pairs: Sequence[Pair]) -> list[Pair]:
    """For every picture that is in an earlier split too, by its pixels, the worst such pair."""
    found: dict[str, Pair] = {}
    for pair in worst_first(pairs):
        if pair.across and pair.kind != "similar":
            found.setdefault(pair.second.path, pair)
    return list(found.values())


def worst_first(pairs: Sequence[Pair]) -> list[Pair]:
    """Pairs across splits before those within one, by kind, the most alike first."""
    return sorted(
        pairs,
        key=lambda pair: (
            not pair.across,
            KINDS.index(pair.kind),
            -pair.similarity,
            pair.first,
            pair.second,
        ),
    )
