"""Pictures that are twice in the data: the same pixels, or features nearly alike."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.neighbors import NearestNeighbors

from stages.audit import check_leaks
from tench import duplicates, shards
from tench.cli import TenchError
from tench.duplicates import exact_pairs, near_pairs, nearest, worst_first
from tench.images import write_prepared
from tench.index import Row
from tench.shards import Shards, new_shard, open_shards

SIZES = {"train": 23, "val": 9, "test": 5}


def row(number: int, split: str, pixels: str) -> Row:
    return Row(
        f"{split}/a/{number}.webp", split, 0, "a", f"{split}/a/{number}.jpg", pixels, pixels, 0
    )


def stored(folder: Path, features: np.ndarray) -> Shards:
    """Features as a folder of shards."""
    for number, start in enumerate(range(0, len(features), shards.ROWS)):
        part = features[start : start + shards.ROWS]
        new_shard(folder, number, part.shape, np.float32)[:] = part
    return open_shards(folder)


@pytest.fixture
def parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Shards], dict[str, np.ndarray]]:
    """Random features of three splits in small shards, compared in small blocks."""
    monkeypatch.setattr(shards, "ROWS", 8)
    monkeypatch.setattr(duplicates, "BLOCK", 6)
    rng = np.random.default_rng(0)
    features = {split: rng.random((size, 20), np.float32) for split, size in SIZES.items()}
    return [stored(tmp_path / split, rows) for split, rows in features.items()], features


def test_neighbours_are_scikit_learns(parts: tuple[list[Shards], dict[str, np.ndarray]]) -> None:
    neighbour, cosine = nearest(parts[0])
    everything = np.concatenate(list(parts[1].values()))
    first = 0
    for number, rows in enumerate(parts[1].values()):
        search = NearestNeighbors(n_neighbors=2, metric="cosine").fit(rows)
        distances, places = search.kneighbors(everything)
        for here in range(len(everything)):
            mine = 1 if places[here, 0] + first == here else 0  # oneself does not count
            assert neighbour[here, number] == places[here, mine] + first
            assert cosine[here, number] == pytest.approx(1 - distances[here, mine], abs=1e-5)
        first += len(rows)


def test_near_pairs_are_alike_in_features_or_on_a_look_at_the_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = np.eye(6, 12, dtype=np.float32)
    alike, rather, rather_too = (
        base[n] + far * base[5] for n, far in ((1, 0.2), (2, 0.8), (3, 0.8))
    )
    parts = [stored(tmp_path / "train", base[:5])]
    parts.append(stored(tmp_path / "val", np.stack([alike, rather, rather_too, base[4]])))
    rows = [row(n, "train", f"p{n}") for n in range(5)]
    rows += [row(n, "val", pixels) for n, pixels in enumerate(("v0", "v1", "v2", "p4"))]
    rng = np.random.default_rng(0)
    pictures = {one.path: rng.integers(0, 256, (64, 64, 3), np.uint8) for one in rows}
    brighter = pictures[rows[2].path][:, ::-1] // 2 + 100  # the same as the mirrored original
    pictures[rows[6].path] = brighter
    monkeypatch.setattr(duplicates, "FOLDER", tmp_path)
    duplicates.glance.cache_clear()
    for path, pixels in pictures.items():
        write_prepared(Image.fromarray(pixels), tmp_path / path)

    found = {(pair.first, pair.second): pair.similarity for pair in near_pairs(rows, parts, 0.94)}
    assert set(found) == {(rows[1], rows[5]), (rows[2], rows[6])}
    assert found[rows[1], rows[5]] == pytest.approx(1 / np.sqrt(1 + 0.2**2), abs=1e-5)
    alone = near_pairs(rows, parts, 0.99)
    assert [(pair.first, pair.second) for pair in alone] == [(rows[2], rows[6])]


def test_exact_pairs_are_of_equal_pixels() -> None:
    rows = [row(0, "train", "x"), row(1, "train", "y"), row(2, "train", "x")]
    rows += [row(3, "val", "x"), row(4, "test", "x")]
    found = {(pair.first.path, pair.second.path): pair.across for pair in exact_pairs(rows)}
    assert found == {
        ("train/a/0.webp", "train/a/2.webp"): False,
        ("train/a/0.webp", "val/a/3.webp"): True,
        ("train/a/0.webp", "test/a/4.webp"): True,
        ("val/a/3.webp", "test/a/4.webp"): True,
    }


def test_leaks_come_first_and_are_listed_when_there_are_too_many() -> None:
    rows = [row(0, "train", "x"), row(1, "train", "x"), row(2, "test", "x")]
    pairs = worst_first(exact_pairs(rows))
    assert [pair.across for pair in pairs] == [True, False]
    check_leaks(pairs, 1)
    with pytest.raises(TenchError) as caught:
        check_leaks(pairs, 0)
    for part in ("audit.max_leaks = 0", "train/a/0.jpg (train)", "test/a/2.jpg (test)", "exact"):
        assert part in str(caught.value)
