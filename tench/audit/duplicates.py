"""Pictures that are in the data more than once, by their pixels; and those that look alike."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.audit.glances import Glances, correlations
from tench.audit.neighbours import Nearest, nearest
from tench.pictures.index import Row, evenly
from tench.pictures.shards import Shards

# Two pictures are nearly one if they are each other's neighbours by features (a cosine of LOOK) and
# a glance at the pixels confirms it: what each has beside what all have in common correlates by
# SAME_PIXELS, and leaves MARGIN times less open than neighbours usually do in this folder: uniform
# pictures (scans, parts under one lamp) resemble each other more than others' copies do. Where the
# features alone are as alike as audit.near_duplicate says, pictures look alike, no more.
# docs/trust.md tells why these numbers.
LOOK, SAME_PIXELS, MARGIN = 0.7, 0.975, 20
ASKED = 1000  # pictures, to learn what is common and usual
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


def near_pairs(
    rows: Sequence[Row], parts: Sequence[Shards], seen: Glances, threshold: float
) -> list[Pair]:
    """Pictures nearly alike whose pixels differ: each with its nearest neighbour in every split.

    Args:
        rows: the index.
        parts: the pooled features of its rows, split by split.
        seen: its pictures at a glance.
        threshold: cosine of the features from which pictures look alike, 0 ... 1.

    Returns:
        `near` pairs, which the pixels confirm, and `similar` ones, which features alone suggest.
    """
    neighbours = nearest(parts)
    asked, number = np.nonzero(neighbours.cosine >= min(LOOK, threshold))
    other = neighbours.place[asked, number]
    both = np.minimum(asked, other) * len(rows) + np.maximum(asked, other)
    keys, first = np.unique(both, return_index=True)  # two pictures may have found each other
    places = np.stack(np.divmod(keys, len(rows)), axis=1)
    differ = [rows[one].sha256 != rows[two].sha256 for one, two in places.tolist()]
    places, cosine = places[differ], neighbours.cosine[asked, number][first][differ]
    common = seen[evenly(len(seen), ASKED)].mean(axis=0)
    alike = correlations(seen, places, common)
    enough = 1 - min(1 - SAME_PIXELS, (1 - usual(seen, neighbours, common)) / MARGIN)
    same = alike >= enough
    told = same | (cosine >= threshold)
    return [
        Pair(rows[one], rows[two], "near" if near else "similar", similarity)
        for (one, two), near, similarity in zip(
            places[told].tolist(), same[told].tolist(), cosine[told].tolist(), strict=True
        )
    ]


def usual(seen: Glances, neighbours: Nearest, common: NDArray[np.float64]) -> float:
    """How alike neighbours usually are at a glance: the lower quartile of ASKED of them, so that
    copies, up to three quarters of all, do not count as usual."""
    some = evenly(len(seen), ASKED)
    nearest_of = neighbours.place[some, neighbours.cosine[some].argmax(axis=1)]
    alike = correlations(seen, np.stack([some, nearest_of], axis=1), common)
    return float(np.quantile(alike, 0.25))


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
