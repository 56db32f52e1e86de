"""Nearest neighbors by the cosine of features, exact or with a FAISS index.

Up to MAX_EXACT_ROWS rows, each is compared with all others. Beyond that, a FAISS index proposes
candidates, whose cosine is then computed from the stored features. The index takes 1.3 kB per row
of one part; the rows stay in their files. docs/trust.md gives its recall.
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

MAX_EXACT_ROWS = 16_384
BLOCK_ROWS = 2048  # rows compared at a time
COMPONENTS = 128  # principal components in the index; product-quantized, 4 bits for every two
PROBED_LISTS = 64  # inverted lists searched for a query, out of sqrt(rows)
RERANKED_CANDIDATES = 3  # candidates whose exact cosine is computed; one may be the query itself
CANDIDATE_FACTOR = 64  # times as many candidates are compared at 8 bits per feature
TRAINING_ROWS_PER_LIST = 40  # rows that train the index, per inverted list
MIN_TRAINING_ROWS = 2048  # a smaller part gets a flat index without training

RowIndices = NDArray[np.int64]


class NearestRows(NamedTuple):
    """The nearest other row of every row in each part."""

    indices: RowIndices  # (rows, parts), index among the rows of all parts
    cosine: NDArray[np.float32]  # (rows, parts), cosine similarity; -1 if there is no other row


def read_unit_vectors(parts: Sequence[Shards], indices: RowIndices) -> NDArray[np.float32]:
    """Read rows and scale them to length one.

    Args:
        parts: features, one element per split.
        indices: (n,), among the rows of all parts.

    Returns:
        float32 (n, width).
    """
    out = np.empty((len(indices), *parts[0].row_shape), np.float32)
    first = 0
    for part in parts:
        inside = (first <= indices) & (indices < first + part.rows)
        out[inside] = read_rows(part, indices[inside] - first)
        first += part.rows
    length = np.linalg.norm(out, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.divide(out, length, out=out, where=length > 0)
    return unit


def row_blocks(indices: RowIndices) -> list[RowIndices]:
    """Split indices into blocks of at most BLOCK_ROWS."""
    return [indices[start : start + BLOCK_ROWS] for start in range(0, len(indices), BLOCK_ROWS)]


def find_nearest_rows(parts: Sequence[Shards]) -> NearestRows:
    """Find the nearest other row of every row in each part, by cosine similarity.

    Ties go to the first row. Beyond MAX_EXACT_ROWS rows the search is approximate.

    Args:
        parts: features of equal width, one element per split.
    """
    bounds = [0, *np.cumsum([part.rows for part in parts]).tolist()]
    everything = np.arange(bounds[-1])
    shape = len(everything), len(parts)
    nearest = NearestRows(np.zeros(shape, np.int64), np.full(shape, -1, np.float32))
    blocks = row_blocks(everything)
    with (
        threadpool_limits(1, "blas"),  # each block has a thread of its own
        progress_bar(None, "audit neighbors", len(blocks) * len(parts), "blocks") as bar,
    ):
        for number, (low, high) in enumerate(pairwise(bounds)):
            members = everything[low:high]
            if low == high:
                continue
            if len(everything) <= MAX_EXACT_ROWS:
                search = partial(search_exactly, parts, members)
            else:
                index = build_faiss_index(parts, members)
                search = partial(search_with_index, parts, members, index)
            for block, found in zip(blocks, map_in_threads(search, blocks), strict=True):
                nearest.indices[block, number], nearest.cosine[block, number] = found
                bar.update(1)
    return nearest


def search_exactly(
    parts: Sequence[Shards], members: RowIndices, queries: RowIndices
) -> NearestRows:
    """Find the nearest of `members` for each query row; indices and cosine are (queries,)."""
    rows = read_unit_vectors(parts, queries)
    nearest, cosine = np.zeros(len(queries), np.int64), np.full(len(queries), -1, np.float32)
    for block in row_blocks(members):
        similarity = rows @ read_unit_vectors(parts, block).T
        similarity[queries[:, None] == block] = -1  # a row is not its own neighbor
        best = similarity.argmax(axis=1)
        value = similarity[np.arange(len(queries)), best]
        nearer = value > cosine
        nearest[nearer], cosine[nearer] = block[best[nearer]], value[nearer]
    return NearestRows(nearest, cosine)


def build_faiss_index(parts: Sequence[Shards], members: RowIndices) -> Any:
    """Build a FAISS index of the rows `members`, numbered from 0 in their order.

    The index ranks by Euclidean distance. Between unit vectors this ranks like the cosine, and
    centering before the principal components does not change it.
    """
    import faiss

    if faiss.SIMDConfig.is_simd_level_available(faiss.SIMDLevel_AVX2):
        faiss.SIMDConfig.set_level(faiss.SIMDLevel_AVX2)  # AVX-512 would round differently
    faiss.omp_set_num_threads(1)  # so that the index does not depend on the number of cores
    (width,) = parts[0].row_shape
    components, lists = min(COMPONENTS, width) // 2 * 2, math.isqrt(len(members))
    trained = len(members) >= MIN_TRAINING_ROWS
    factory = f"PCA{components},IVF{lists},PQ{components // 2}x4fs,Refine(SQ8)"
    index: Any = faiss.index_factory(width, factory if trained else "Flat")
    if trained:
        sample = members[evenly_spaced(len(members), TRAINING_ROWS_PER_LIST * lists)]
        index.train(read_unit_vectors(parts, sample))
        faiss.extract_index_ivf(index.base_index).nprobe = PROBED_LISTS
        index.k_factor = CANDIDATE_FACTOR
    for block in row_blocks(members):
        index.add(read_unit_vectors(parts, block))
    return index


def search_with_index(
    parts: Sequence[Shards], members: RowIndices, index: Any, queries: RowIndices
) -> NearestRows:
    """Find the nearest of `members` for each query row with their FAISS index.

    The index proposes candidates; the one with the largest cosine of the stored features counts.
    """
    import faiss

    faiss.omp_set_num_threads(1)  # map_in_threads already runs one thread per core
    rows = read_unit_vectors(parts, queries)
    _, positions = index.search(rows, RERANKED_CANDIDATES)
    positions.sort(axis=1)  # so that ties go to the first row
    candidates = members[positions]
    vectors = read_unit_vectors(parts, candidates.ravel()).reshape(*candidates.shape, -1)
    cosine = np.einsum("rf,rcf->rc", rows, vectors)
    cosine[(positions < 0) | (candidates == queries[:, None])] = -1  # no candidate, or the query
    best, row = cosine.argmax(axis=1), np.arange(len(queries))
    return NearestRows(candidates[row, best], cosine[row, best])
