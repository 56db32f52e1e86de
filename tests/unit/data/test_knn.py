"""Nearest neighbors by features: exact in a small data set, with an index in a large one."""

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
    """Compare rows in small blocks."""
    monkeypatch.setattr(knn, "BLOCK_ROWS", 6)


def write_parts(folder: Path, splits: Sequence[NDArray[np.float32]]) -> list[Shards]:
    """Write the rows of each split as a folder of shards."""
    return [write_features(folder / str(number), rows) for number, rows in enumerate(splits)]


def test_neighbors_agree_with_scikit_learn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    splits = [rng.random((size, 20), np.float32) for size in SIZES.values()]
    indices, cosine = find_nearest_rows(write_parts(tmp_path, splits))
    everything = np.concatenate(splits)
    first = 0
    for number, rows in enumerate(splits):
        search = NearestNeighbors(n_neighbors=2, metric="cosine").fit(rows)
        distances, neighbors = search.kneighbors(everything)
        for row in range(len(everything)):
            column = 1 if neighbors[row, 0] + first == row else 0  # skip the row itself
            assert indices[row, number] == neighbors[row, column] + first
            assert cosine[row, number] == pytest.approx(1 - distances[row, column], abs=1e-5)
        first += len(rows)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Shards], NearestRows]:
    """Clustered rows with copies and their exact neighbors; one part is too small to train an
    index."""
    rng = np.random.default_rng(0)
    centers = rng.gamma(0.5, size=(60, 48))
    rows = np.repeat(centers, 100, axis=0) * rng.gamma(2, 0.5, (6000, 48))
    rows[5000:] = rows[:1000] * rng.normal(1, 0.1, (1000, 48))
    splits = np.split(rows.astype(np.float32), [4000, 5900])
    parts = write_parts(tmp_path_factory.mktemp("large"), splits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "BLOCK_ROWS", 1024)
        return parts, find_nearest_rows(parts)


def test_the_index_finds_the_nearest(
    large: tuple[list[Shards], NearestRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, exact = large
    monkeypatch.setattr(knn, "MAX_EXACT_ROWS", 1000)
    monkeypatch.setattr(knn, "MIN_TRAINING_ROWS", 1000)
    monkeypatch.setattr(knn, "BLOCK_ROWS", 512)
    monkeypatch.setattr(knn, "PROBED_LISTS", 8)
    found = find_nearest_rows(parts)
    same = found.indices == exact.indices
    near = exact.cosine >= 0.7
    assert near[:, :2].mean() > 0.8
    assert same[near].mean() > 0.99
    assert same[exact.cosine >= 0.95].all()
    np.testing.assert_allclose(found.cosine[same], exact.cosine[same], atol=1e-6)
    assert (found.cosine <= exact.cosine + 1e-6).all()
    assert not (found.indices == np.arange(6000)[:, None]).any()


def test_the_index_finds_the_same_on_any_number_of_cores(
    large: tuple[list[Shards], NearestRows], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, _ = large
    monkeypatch.setattr(knn, "MAX_EXACT_ROWS", 1000)
    monkeypatch.setattr(knn, "BLOCK_ROWS", 512)
    found = []
    for count in (1, 3):
        monkeypatch.setattr(parallel, "available_cores", lambda count=count: count)
        found.append(find_nearest_rows(parts))
    np.testing.assert_array_equal(found[0].indices, found[1].indices)
    np.testing.assert_array_equal(found[0].cosine, found[1].cosine)


def test_ties_go_to_the_first_row(tmp_path: Path) -> None:
    rows = np.ones((30, 4), np.float32)
    found = find_nearest_rows(write_parts(tmp_path, [rows[:20], rows[20:]]))
    assert found.indices[:, 0].tolist() == [1, *[0] * 29]
    assert found.indices[:, 1].tolist() == [*[20] * 20, 21, *[20] * 9]


def test_a_zero_vector_has_no_neighbor(tmp_path: Path) -> None:
    rows = np.eye(4, dtype=np.float32)
    rows[2] = 0
    found = find_nearest_rows(write_parts(tmp_path, [rows]))
    assert (found.cosine == 0).all()
    alone = find_nearest_rows(write_parts(tmp_path / "alone", [rows[:1]]))
    assert alone.cosine.tolist() == [[-1]]
