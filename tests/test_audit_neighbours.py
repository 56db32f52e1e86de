"""Every picture's nearest others: of all in a small set, of those in near cells in a large one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from features import stored
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tench.audit import neighbours
from tench.audit.neighbours import cells_of, nearest
from tench.pictures import shards
from tench.pictures.shards import Shards

SIZES = {"train": 23, "val": 9, "test": 5}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small shards, compared in small blocks."""
    monkeypatch.setattr(shards, "ROWS", 8)
    monkeypatch.setattr(neighbours, "BLOCK", 6)


def folders(folder: Path, sides: Sequence[NDArray[np.float32]]) -> list[Shards]:
    return [stored(folder / str(number), rows) for number, rows in enumerate(sides)]


@pytest.mark.parametrize("cell", [10, 4096])  # as many cells as are looked in, and one
def test_neighbours_are_scikit_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: int
) -> None:
    monkeypatch.setattr(neighbours, "CELL", cell)
    rng = np.random.default_rng(0)
    sides = [rng.random((size, 20), np.float32) for size in SIZES.values()]
    place, cosine = nearest(folders(tmp_path, sides))
    everything = np.concatenate(sides)
    first = 0
    for number, rows in enumerate(sides):
        search = NearestNeighbors(n_neighbors=2, metric="cosine").fit(rows)
        distances, places = search.kneighbors(everything)
        for here in range(len(everything)):
            mine = 1 if places[here, 0] + first == here else 0  # oneself does not count
            assert place[here, number] == places[here, mine] + first
            assert cosine[here, number] == pytest.approx(1 - distances[here, mine], abs=1e-5)
        first += len(rows)


def test_many_cells_find_all_copies_and_compare_few_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "CELL", 20)
    rng = np.random.default_rng(0)
    originals = rng.normal(size=(300, 20)).astype(np.float32)
    copies = originals + rng.normal(0, 0.01, originals.shape).astype(np.float32)
    parts = folders(tmp_path, [originals, copies])
    found = nearest(parts)
    assert np.array_equal(found.place[:300, 1], np.arange(300, 600))
    assert np.array_equal(found.place[300:, 0], np.arange(300))
    cells = cells_of(parts)
    compared = sum(
        np.count_nonzero(cells == cell) * np.count_nonzero(cells[:, 0] == cell)
        for cell in range(30)
    )
    assert compared < 600**2 / 4


def test_of_equally_near_rows_the_first_is_found(tmp_path: Path) -> None:
    rows = np.ones((30, 4), np.float32)
    found = nearest(folders(tmp_path, [rows[:20], rows[20:]]))
    assert found.place[:, 0].tolist() == [1, *[0] * 29]
    assert found.place[:, 1].tolist() == [*[20] * 20, 21, *[20] * 9]


def test_an_empty_vector_is_near_to_nothing(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)
    rows[2] = 0
    found = nearest(folders(tmp_path, [rows]))
    assert (found.cosine == 0).all()
    alone = nearest(folders(tmp_path / "alone", [rows[:1]]))
    assert alone.cosine.tolist() == [[-1]]
