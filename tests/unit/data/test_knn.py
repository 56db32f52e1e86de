"""Every image's nearest others: of all in a small set, of an index's candidates in a large."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from feature_shards import write_features
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from tench.core import parallel
from tench.data.audit import knn
from tench.data.audit.knn import NearestRows, find_nearest_rows
from tench.data.store.shards import Shards

SIZES = {"train": 23, "val": 9, "test": 5}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows compared in small blocks."""
    monkeypatch.setattr(knn, "BLOCK_ROWS", 6)


def folders(folder: Path, sides: Sequence[NDArray[np.float32]]) -> list[Shards]:
    """Rows as shards, a folder for each part."""
    return [write_features(folder / str(number), rows) for number, rows in enumerate(sides)]


def test_neighbors_are_scikit_learns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sides = [rng.random((size, 20), np.float32) for size in SIZES.values()]
    place, cosine = find_nearest_rows(folders(tmp_path, sides))
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


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Shards], NearestRows]:
    """More rows than are compared one by one, in clouds, with copies, a part of them too
    small to learn from; and their nearest, compared one by one."""
    rng = np.random.default_rng(0)
    centers = rng.gamma(0.5, size=(60, 48))
    rows = np.repeat(centers, 100, axis=0) * rng.gamma(2, 0.5, (6000, 48))
    rows[5000:] = rows[:1000] * rng.normal(1, 0.1, (1000, 48))
    sides = np.split(rows.astype(np.float32), [4000, 5900])
    parts = folders(tmp_path_factory.mktemp("large"), sides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "BLOCK_ROWS", 1024)
        return parts, find_nearest_rows(parts)


def test_an_index_finds_the_nearest(
    large: tuple[list[Shards], NearestRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, every = large
    monkeypatch.setattr(knn, "MAX_EXACT_ROWS", 1000)
    monkeypatch.setattr(knn, "MIN_TRAINING_ROWS", 1000)
    monkeypatch.setattr(knn, "BLOCK_ROWS", 512)
    monkeypatch.setattr(knn, "PROBED_LISTS", 8)
    found = find_nearest_rows(parts)
    same = found.place == every.place
    near = every.cosine >= 0.7
    assert near[:, :2].mean() > 0.8
    assert same[near].mean() > 0.99
    assert same[every.cosine >= 0.95].all()
    np.testing.assert_allclose(found.cosine[same], every.cosine[same], atol=1e-6)
    assert (found.cosine <= every.cosine + 1e-6).all()
    assert not (found.place == np.arange(6000)[:, None]).any()


def test_an_index_finds_the_same_on_any_number_of_cores(
    large: tuple[list[Shards], NearestRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _ = large
    monkeypatch.setattr(knn, "MAX_EXACT_ROWS", 1000)
    monkeypatch.setattr(knn, "BLOCK_ROWS", 512)
    found = []
    for count in (1, 3):
        monkeypatch.setattr(parallel, "available_cores", lambda count=count: count)
        found.append(find_nearest_rows(parts))
    np.testing.assert_array_equal(found[0].place, found[1].place)
    np.testing.assert_array_equal(found[0].cosine, found[1].cosine)


def test_of_equally_near_rows_the_first_is_found(tmp_path: Path) -> None:
    rows = np.ones((30, 4), np.float32)
    found = find_nearest_rows(folders(tmp_path, [rows[:20], rows[20:]]))
    assert found.place[:, 0].tolist() == [1, *[0] * 29]
    assert found.place[:, 1].tolist() == [*[20] * 20, 21, *[20] * 9]


def test_an_empty_vector_is_near_to_nothing(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)
    rows[2] = 0
    found = find_nearest_rows(folders(tmp_path, [rows]))
    assert (found.cosine == 0).all()
    alone = find_nearest_rows(folders(tmp_path / "alone", [rows[:1]]))
    assert alone.cosine.tolist() == [[-1]]
