"""Find exact duplicates, near duplicates and similar images."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.data.audit.knn import NearestRows, find_nearest_rows
from tench.data.audit.thumbnails import Thumbnails, partial_correlations
from tench.data.index import Row, evenly_spaced
from tench.data.store.shards import Shards

# A near duplicate is a nearest neighbor by features (cosine of at least MIN_COSINE) whose pixels
# agree: the partial correlation r of the thumbnails is at least MIN_CORRELATION, and 1 - r is at
# most the typical 1 - r of neighbors in this data set over MARGIN_FACTOR. Uniform images (scans,
# parts under one lamp) resemble each other more than copies do in other data sets.
# If only the features agree, by audit.near_duplicate, the pair is "similar".
# docs/trust.md explains the numbers.
MIN_COSINE, MIN_CORRELATION, MARGIN_FACTOR = 0.7, 0.975, 20
SAMPLED_IMAGES = 1000  # for the mean image and the typical correlation
PAIR_KINDS = ("exact", "near", "similar")


class DuplicatePair(NamedTuple):
    """Two images that are equal or alike; the earlier one in the index is first."""

    first: Row
    second: Row
    kind: str  # exact: equal pixels; near: nearly equal pixels; similar: only the features agree
    similarity: float  # cosine of the pooled features; 1 for equal pixels

    @property
    def is_across_splits(self) -> bool:
        """Whether the images are in different splits, which is a leak."""
        return self.first.split != self.second.split


def find_exact_duplicates(rows: Sequence[Row]) -> list[DuplicatePair]:
    """Find images with equal decoded pixels; each is paired with its first copy in every split."""
    by_digest: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_digest[row.sha256].append(row)
    pairs: dict[tuple[Row, Row], DuplicatePair] = {}
    for copies in by_digest.values():
        firsts: dict[str, Row] = {}
        for row in copies:
            pairs |= {
                (first, row): DuplicatePair(first, row, "exact", 1.0) for first in firsts.values()
            }
            firsts.setdefault(row.split, row)
    return list(pairs.values())


def find_near_duplicates(
    rows: Sequence[Row], parts: Sequence[Shards], thumbnails: Thumbnails, threshold: float
) -> list[DuplicatePair]:
    """Find images that are alike but not equal; each is paired with its nearest in every split.

    Args:
        rows: the index.
        parts: pooled features of the rows, one element per split.
        thumbnails: thumbnails of the rows.
        threshold: minimum cosine of the features of a similar pair, in [0, 1].

    Returns:
        Pairs of kind "near", confirmed by the pixels, and "similar", by features only.
    """
    neighbors = find_nearest_rows(parts)
    queries, part = np.nonzero(neighbors.cosine >= min(MIN_COSINE, threshold))
    others = neighbors.indices[queries, part]
    keys = np.minimum(queries, others) * len(rows) + np.maximum(queries, others)
    keys, first = np.unique(keys, return_index=True)  # two images may be each other's nearest
    pairs = np.stack(np.divmod(keys, len(rows)), axis=1)
    differ = [rows[a].sha256 != rows[b].sha256 for a, b in pairs.tolist()]
    pairs, cosine = pairs[differ], neighbors.cosine[queries, part][first][differ]
    common = thumbnails[evenly_spaced(len(thumbnails), SAMPLED_IMAGES)].mean(axis=0)
    typical = typical_correlation(thumbnails, neighbors, common)
    min_correlation = 1 - min(1 - MIN_CORRELATION, (1 - typical) / MARGIN_FACTOR)
    is_near = partial_correlations(thumbnails, pairs, common) >= min_correlation
    chosen = is_near | (cosine >= threshold)
    return [
        DuplicatePair(rows[a], rows[b], "near" if near else "similar", similarity)
        for (a, b), near, similarity in zip(
            pairs[chosen].tolist(), is_near[chosen].tolist(), cosine[chosen].tolist(), strict=True
        )
    ]


def typical_correlation(
    thumbnails: Thumbnails, neighbors: NearestRows, common: NDArray[np.float64]
) -> float:
    """Typical partial correlation of nearest neighbors, from SAMPLED_IMAGES images.

    The lower quartile is not affected by copies unless they are over three quarters of the images.
    """
    sample = evenly_spaced(len(thumbnails), SAMPLED_IMAGES)
    nearest = neighbors.indices[sample, neighbors.cosine[sample].argmax(axis=1)]
    pairs = np.stack([sample, nearest], axis=1)
    return float(np.quantile(partial_correlations(thumbnails, pairs, common), 0.25))


def find_leaks(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Find images with an exact or near copy in an earlier split; one pair, the worst, each."""
    leaks: dict[str, DuplicatePair] = {}
    for pair in sort_worst_first(pairs):
        if pair.is_across_splits and pair.kind != "similar":
            leaks.setdefault(pair.second.path, pair)
    return list(leaks.values())


def sort_worst_first(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Sort pairs: across splits first, then by kind, then by descending similarity."""
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
