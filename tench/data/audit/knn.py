"""Every image's nearest other images by their features.

Up to EXACT rows each is compared with every other. Of more, an index (FAISS) names candidates, in
time that grows with their number, and those are compared as exactly: the cosine that counts is that
of the features as they are. The index holds 1.3 kB a row, of one part at a time; the rows stay in
their files. docs/trust.md tells how many true neighbors it finds.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.core.parallel import map_in_threads
from tench.data.index import evenly_spaced
from tench.data.store.shards import Shards, read_rows
from tench.run.progress import progress_bar

MAX_EXACT_ROWS = 16_384  # rows
BLOCK_ROWS = 2048  # rows compared at a time
COMPONENTS = 128  # of a row, by which the index looks for candidates, in 4 bits for every two
PROBED_LISTS = (
    64  # lists in which a row looks for its neighbors, of as many as the root of all rows
)
RERANKED_CANDIDATES = 3  # whose cosine is computed: one may be the row itself
CANDIDATE_FACTOR = 64  # times as many, compared at 8 bits a feature
TRAINING_ROWS_PER_LIST = 40  # rows for every list, from which the index learns where they lie
MIN_TRAINING_ROWS = 2048  # rows, of which less are not worth learning from

RowIndices = NDArray[np.int64]


class NearestRows(NamedTuple):
    """Every row's nearest other row in each part."""

    place: RowIndices  # (rows, parts), counted through all parts
    cosine: NDArray[np.float32]  # (rows, parts), of the angle to it; -1 where there is none


def read_unit_vectors(parts: Sequence[Shards], places: RowIndices) -> NDArray[np.float32]:
    """Rows of the shard folders, counted one folder after another, each of length one: float32
    (places, width)."""
    out = np.empty((len(places), *parts[0].row_shape), np.float32)
    first = 0
    for part in parts:
        inside = (first <= places) & (places < first + part.rows)
        out[inside] = read_rows(part, places[inside] - first)
        first += part.rows
    length = np.linalg.norm(out, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(out, length, out=out, where=length > 0)
    return unit


def row_blocks(places: RowIndices) -> list[RowIndices]:
    """`places` in parts of at most BLOCK."""
    return [places[start : start + BLOCK_ROWS] for start in range(0, len(places), BLOCK_ROWS)]


def find_nearest_rows(parts: Sequence[Shards]) -> NearestRows:
    """Every row's nearest other row in each part, by the cosine of the angle between them; of
    equally near ones the first. Of more than EXACT rows, the nearest that the index finds.

    Args:
        parts: shard folders of float rows of equal width; rows are counted through all of them.
    """
    bounds = [0, *np.cumsum([part.rows for part in parts]).tolist()]
    everything = np.arange(bounds[-1])
    shape = len(everything), len(parts)
    found = NearestRows(np.zeros(shape, np.int64), np.full(shape, -1, np.float32))
    asking = row_blocks(everything)
    with (
        threadpool_limits(1, "blas"),  # a thread a block
        progress_bar(None, "audit neighbors", len(asking) * len(parts), "blocks") as bar,
    ):
        for number, (low, high) in enumerate(pairwise(bounds)):
            members = everything[low:high]
            if low == high:
                continue
            if len(everything) <= MAX_EXACT_ROWS:
                ask = partial(search_exactly, parts, members)
            else:
                ask = partial(search_with_index, parts, members, build_faiss_index(parts, members))
            for places, (place, cosine) in zip(asking, map_in_threads(ask, asking), strict=True):
                found.place[places, number], found.cosine[places, number] = place, cosine
                bar.update(1)
    return found


def search_exactly(parts: Sequence[Shards], members: RowIndices, asking: RowIndices) -> NearestRows:
    """The nearest of `members` to each row: place and cosine, (asking,)."""
    rows = read_unit_vectors(parts, asking)
    place, cosine = np.zeros(len(asking), np.int64), np.full(len(asking), -1, np.float32)
    for some in row_blocks(members):
        found = rows @ read_unit_vectors(parts, some).T
        found[asking[:, None] == some] = -1  # not oneself
        best = found.argmax(axis=1)
        value = found[np.arange(len(asking)), best]
        nearer = value > cosine
        place[nearer], cosine[nearer] = some[best[nearer]], value[nearer]
    return NearestRows(place, cosine)


def build_faiss_index(parts: Sequence[Shards], members: RowIndices) -> Any:
    """An index of rows, numbered from 0 on in the order of `members`. The distance between rows of
    length one tells the angle between them, and stays what it is when their middle is moved to the
    origin, as is done to take principal components."""
    import faiss

    if faiss.SIMDConfig.is_simd_level_available(faiss.SIMDLevel_AVX2):
        faiss.SIMDConfig.set_level(faiss.SIMDLevel_AVX2)  # AVX-512 would round otherwise
    faiss.omp_set_num_threads(1)  # of this thread: the same index on any number of cores
    (width,) = parts[0].row_shape
    kept, lists = min(COMPONENTS, width) // 2 * 2, math.isqrt(len(members))
    rough = f"PCA{kept},IVF{lists},PQ{kept // 2}x4fs,Refine(SQ8)"
    index: Any = faiss.index_factory(width, rough if len(members) >= MIN_TRAINING_ROWS else "Flat")
    if len(members) >= MIN_TRAINING_ROWS:
        index.train(
            read_unit_vectors(
                parts, members[evenly_spaced(len(members), TRAINING_ROWS_PER_LIST * lists)]
            )
        )
        faiss.extract_index_ivf(index.base_index).nprobe = PROBED_LISTS
        index.k_factor = CANDIDATE_FACTOR
    for some in row_blocks(members):
        index.add(read_unit_vectors(parts, some))
    return index


def search_with_index(
    parts: Sequence[Shards], members: RowIndices, index: Any, asking: RowIndices
) -> NearestRows:
    """The nearest of the candidates that the index of `members` names for each row: place and
    cosine, (asking,)."""
    import faiss

    faiss.omp_set_num_threads(1)  # of this thread: there is one a core
    rows = read_unit_vectors(parts, asking)
    _, named = index.search(rows, RERANKED_CANDIDATES)
    named.sort(axis=1)  # of equally near ones the first
    places = members[named]
    others = read_unit_vectors(parts, places.ravel()).reshape(*places.shape, -1)
    found = np.einsum("rf,rcf->rc", rows, others)
    found[(named < 0) | (places == asking[:, None])] = -1  # none, or oneself
    best, here = found.argmax(axis=1), np.arange(len(asking))
    return NearestRows(places[here, best], found[here, best])
