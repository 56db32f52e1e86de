"""Every picture's nearest other pictures by their features, in time that grows with their number.

Rows are sorted into cells, each around one of them; a row is compared with those of the PROBES
cells that it is nearest to. Up to PROBES cells that is every row with every other. Rows stay in
their files and are read cell by cell, so that memory does not grow with them; an index that holds
them (FAISS, hnswlib) would take 5 GB for a million pictures.
"""

import threading
from collections.abc import Sequence
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.console.progress import progress
from tench.core.parallel import in_threads
from tench.pictures.index import evenly
from tench.pictures.shards import Shards, read_rows

CELL = 4096  # rows of a cell, on average
PROBES = 4  # cells in which a row looks for its neighbours
BLOCK = 2048  # rows compared at a time

Places = NDArray[np.int64]


class Nearest(NamedTuple):
    """Every row's nearest other row in each part."""

    place: Places  # (rows, parts), counted through all parts
    cosine: NDArray[np.float32]  # (rows, parts), of the angle to it; -1 where there is none


def read_unit(parts: Sequence[Shards], places: Places) -> NDArray[np.float32]:
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


def blocks(places: Places) -> list[Places]:
    """`places` in parts of at most BLOCK."""
    return [places[start : start + BLOCK] for start in range(0, len(places), BLOCK)]


def cells_of(parts: Sequence[Shards]) -> NDArray[np.int32]:
    """The cells in which each row looks, the nearest, its own, first: int32 (rows, probes)."""
    total = sum(part.rows for part in parts)
    centres = read_unit(parts, evenly(total, -(-total // CELL)))
    probes = min(PROBES, len(centres))
    found = np.empty((total, probes), np.int32)

    def sort(places: Places) -> None:
        alike = read_unit(parts, places) @ centres.T
        found[places] = np.argsort(-alike, axis=1, kind="stable")[:, :probes]

    for _ in in_threads(sort, blocks(np.arange(total))):
        pass
    return found


def nearest(parts: Sequence[Shards]) -> Nearest:
    """Every row's nearest other row in each part, by the cosine of the angle between them, among
    those that lie in the cells it looks in; of equally near ones the first.

    Args:
        parts: shard folders of float rows of equal width; rows are counted through all of them.
    """
    bounds = np.cumsum([0, *(part.rows for part in parts)])
    cells = cells_of(parts)
    place = np.zeros((len(cells), len(parts)), np.int64)
    cosine = np.full(place.shape, -1, np.float32)
    one_at_a_time = threading.Lock()  # a row may be compared with two blocks at once

    def compare(task: tuple[Places, Places]) -> None:
        asking, members = task
        found = read_unit(parts, asking) @ read_unit(parts, members).T
        found[asking[:, None] == members] = -1  # not oneself
        edges = np.searchsorted(members, bounds)
        for number, (low, high) in enumerate(pairwise(edges)):
            if low == high:
                continue
            best = found[:, low:high].argmax(axis=1)
            value, where = found[np.arange(len(asking)), low + best], members[low + best]
            with one_at_a_time:
                known, at = cosine[asking, number], place[asking, number]
                better = (value > known) | ((value == known) & (where < at) & (value > -1))
                cosine[asking[better], number] = value[better]
                place[asking[better], number] = where[better]

    tasks = [
        task
        for cell in range(int(cells.max(initial=-1)) + 1)
        for task in product(
            blocks(np.flatnonzero((cells == cell).any(axis=1))),
            blocks(np.flatnonzero(cells[:, 0] == cell)),
        )
    ]
    with threadpool_limits(1, "blas"):  # a thread a block
        for _ in progress(in_threads(compare, tasks), "audit neighbours", len(tasks), "blocks"):
            pass
    return Nearest(place, cosine)
