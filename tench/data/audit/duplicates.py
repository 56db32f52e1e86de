"""Images that are in the data more than once, by their pixels; and those that look alike."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.data.audit.knn import NearestRows, find_nearest_rows
from tench.data.audit.thumbnails import Thumbnails, partial_correlations
from tench.data.index import Row, evenly_spaced
from tench.data.store.shards import Shards

# Two images are nearly one if they are each other's neighbors by features (a cosine of LOOK) and
# a glance at the pixels confirms it: what each has beside what all have in common correlates by
# SAME_PIXELS, and leaves MARGIN times less open than neighbors usually do in this folder: uniform
# images (scans, parts under one lamp) resemble each other more than others' copies do. Where the
# features alone are as alike as audit.near_duplicate says, images look alike, no more.
# docs/trust.md tells why these numbers.
MIN_COSINE, MIN_CORRELATION, MARGIN_FACTOR = 0.7, 0.975, 20
SAMPLED_IMAGES = 1000  # images, to learn what is common and usual
PAIR_KINDS = ("exact", "near", "similar")


class DuplicatePair(NamedTuple):
    """Two images that are one, nearly, or perhaps; the earlier in the index first."""

    first: Row
    second: Row
    kind: str  # exact: the same pixels; near: nearly the same; similar: features alike, no more
    similarity: float  # cosine of their pooled features, or 1 where the pixels are the same

    @property
    def is_across_splits(self) -> bool:
        """Whether they are in different splits: what is learnt from one is known of the other."""
        return self.first.split != self.second.split


def find_exact_duplicates(rows: Sequence[Row]) -> list[DuplicatePair]:
    """Images of equal decoded pixels: each with the first of its kind in every split."""
    of_pixels: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_pixels[row.sha256].append(row)
    pairs: dict[tuple[Row, Row], DuplicatePair] = {}
    for same in of_pixels.values():
        firsts: dict[str, Row] = {}
        for row in same:
            pairs |= {
                (first, row): DuplicatePair(first, row, "exact", 1.0) for first in firsts.values()
            }
            firsts.setdefault(row.split, row)
    return list(pairs.values())


def find_near_duplicates(
    rows: Sequence[Row], parts: Sequence[Shards], seen: Thumbnails, threshold: float
) -> list[DuplicatePair]:
    """Images nearly alike whose pixels differ: each with its nearest neighbor in every split.

    Args:
        rows: the index.
        parts: the pooled features of its rows, split by split.
        seen: its images at a glance.
        threshold: cosine of the features from which images look alike, 0 ... 1.

    Returns:
        `near` pairs, which the pixels confirm, and `similar` ones, which features alone suggest.
    """
    neighbors = find_nearest_rows(parts)
    asked, number = np.nonzero(neighbors.cosine >= min(MIN_COSINE, threshold))
    other = neighbors.place[asked, number]
    both = np.minimum(asked, other) * len(rows) + np.maximum(asked, other)
    keys, first = np.unique(both, return_index=True)  # two images may have found each other
    places = np.stack(np.divmod(keys, len(rows)), axis=1)
    differ = [rows[one].sha256 != rows[two].sha256 for one, two in places.tolist()]
    places, cosine = places[differ], neighbors.cosine[asked, number][first][differ]
    common = seen[evenly_spaced(len(seen), SAMPLED_IMAGES)].mean(axis=0)
    alike = partial_correlations(seen, places, common)
    enough = 1 - min(
        1 - MIN_CORRELATION, (1 - typical_correlation(seen, neighbors, common)) / MARGIN_FACTOR
    )
    same = alike >= enough
    told = same | (cosine >= threshold)
    return [
        DuplicatePair(rows[one], rows[two], "near" if near else "similar", similarity)
        for (one, two), near, similarity in zip(
            places[told].tolist(), same[told].tolist(), cosine[told].tolist(), strict=True
        )
    ]


def typical_correlation(
    seen: Thumbnails, neighbors: NearestRows, common: NDArray[np.float64]
) -> float:
    """How alike neighbors usually are at a glance: the lower quartile of EVAL_SUBSET of them, so that
    copies, up to three quarters of all, do not count as usual."""
    some = evenly_spaced(len(seen), SAMPLED_IMAGES)
    nearest_of = neighbors.place[some, neighbors.cosine[some].argmax(axis=1)]
    alike = partial_correlations(seen, np.stack([some, nearest_of], axis=1), common)
    return float(np.quantile(alike, 0.25))


def find_leaks(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """For every image that is in an earlier split too, by its pixels, the worst such pair."""
    found: dict[str, DuplicatePair] = {}
    for pair in sort_worst_first(pairs):
        if pair.is_across_splits and pair.kind != "similar":
            found.setdefault(pair.second.path, pair)
    return list(found.values())


def sort_worst_first(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Pairs across splits before those within one, by kind, the most alike first."""
    return sorted(
        pairs,
        key=lambda pair: (
            not pair.is_across_splits,
            PAIR_KINDS.index(pair.kind),
            -pair.similarity,
            pair.first,
            pair.second,
        ),
    )
