"""The embedding engine and its shards: every picture's features, in order, on any machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tench import backbone as net
from tench import embedding, shards
from tench.embedding import Engine, embed, make_engine
from tench.images import read_prepared, write_prepared
from tench.runtime import keras
from tench.shards import new_shard, open_shards, read_rows

SIZE = 64
COUNT = 21  # two batches and a part of one


@pytest.fixture(scope="module")
def small_trunk() -> Any:
    """The first layers of a backbone with random weights: quick to convert."""
    keras.utils.set_random_seed(3)
    return net.build_trunk(net.build_backbone(SIZE), 18)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """COUNT prepared pictures, no two alike, whose names are not in their order."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(1)
    files = [folder / f"{number * 8 % COUNT:02d}.webp" for number in range(COUNT)]
    for number, file in enumerate(files):
        noise = rng.integers(0, 100, (SIZE, SIZE, 3)) + 155 * number // COUNT
        write_prepared(Image.fromarray(noise.astype(np.uint8)), file)
    return files


@pytest.fixture(scope="module")
def trunk() -> Any:
    """A whole trunk with two outputs, tapped at 125, with random weights."""
    keras.utils.set_random_seed(2)
    return net.build_trunk(net.build_backbone(SIZE), 125, pooled=True)


@pytest.fixture(scope="module")
def engine(small_trunk: Any) -> Engine:
    """A small engine with one output."""
    return make_engine(small_trunk, "auto")


def all_rows(folder: Path) -> NDArray[np.generic]:
    """Every row of a folder of shards."""
    opened = open_shards(folder)
    return read_rows(opened, np.arange(opened.rows))


def shrink_shards(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let a shard hold few rows."""
    monkeypatch.setattr(shards, "ROWS", rows)
    monkeypatch.setattr(embedding, "ROWS", rows)


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_both_engines_agree_with_keras(
    trunk: Any, pictures: list[Path], tmp_path: Path, kind: str
) -> None:
    folders = [tmp_path / "tapped" / "train", tmp_path / "pooled" / "train"]
    embed(pictures, make_engine(trunk, kind), folders, "embed")
    batch = np.stack([read_prepared(file) for file in pictures]).astype(np.float32)
    tapped, pooled = trunk.predict(batch, verbose=0)
    assert (tapped.shape, pooled.shape) == ((COUNT, 2, 2, 160), (COUNT, 1280))
    for folder, expected in zip(folders, (tapped, pooled), strict=True):
        found = all_rows(folder)
        assert found.dtype == np.float32
        scale = np.abs(expected).max()
        gaps = np.abs(expected[:, None] - expected[None]).reshape(COUNT, COUNT, -1).max(axis=2)
        assert gaps[~np.eye(COUNT, dtype=bool)].min() > 1e-3 * scale  # else order would not show
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-4)


def test_the_number_of_cores_changes_nothing(
    small_trunk: Any, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores in (1, 3):
        monkeypatch.setattr(embedding, "CORES", cores)
        engine = make_engine(small_trunk, "litert")
        embed(pictures, engine, [tmp_path / str(cores)], "embed")
    one, three = (tmp_path / name / "00000.npy" for name in ("1", "3"))
    assert one.read_bytes() == three.read_bytes()


@pytest.mark.parametrize("rows", [8, 12, 20, 21, 100])
def test_more_pictures_than_a_shard_holds(
    engine: Engine,
    pictures: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
) -> None:
    embed(pictures, engine, [tmp_path / "one"], "embed")
    shrink_shards(monkeypatch, rows)
    embed(pictures, engine, [tmp_path / "many"], "embed")
    files = open_shards(tmp_path / "many").files
    assert [len(np.load(file)) for file in files] == [
        min(rows, COUNT - start) for start in range(0, COUNT, rows)
    ]
    many = np.concatenate([np.load(file) for file in files])
    assert np.array_equal(many, np.load(tmp_path / "one" / "00000.npy"))


def test_shards_of_an_earlier_run_do_not_stay(
    engine: Engine, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink_shards(monkeypatch, 8)
    embed(pictures, engine, [tmp_path], "embed")
    embed(pictures[:8], engine, [tmp_path], "embed")
    assert open_shards(tmp_path).rows == 8


def test_a_picture_that_is_gone_is_an_error(
    engine: Engine, pictures: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        embed([*pictures, tmp_path / "gone.webp"], engine, [tmp_path / "out"], "embed")


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5,), np.float32), ((2, 3, 4), np.float32), ((1,), np.int64)]
)
def test_rows_are_read_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: Any
) -> None:
    monkeypatch.setattr(shards, "ROWS", 10)
    rng = np.random.default_rng(0)
    content = rng.integers(0, 1000, (37, *shape)).astype(dtype)
    for number in range(4):
        part = content[number * 10 : number * 10 + 10]
        new_shard(tmp_path, number, part.shape, dtype)[:] = part
    opened = open_shards(tmp_path)
    assert (opened.rows, opened.row_shape, opened.dtype) == (37, shape, dtype)
    orders: list[Callable[[], NDArray[np.int64]]] = [
        lambda: rng.permutation(37),
        lambda: rng.integers(0, 37, 100),
        lambda: np.array([9, 10, 36, 0, 0]),
        lambda: np.array([], np.int64),
    ]
    for order in orders:
        rows = order()
        found = read_rows(opened, rows)
        assert found.dtype == dtype
        assert np.array_equal(found, content[rows])


def test_shards_are_in_the_order_of_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "ROWS", 1)
    for number in reversed(range(12)):
        new_shard(tmp_path, number, (1, 2), np.float32)[:] = number
    assert all_rows(tmp_path)[:, 0].tolist() == list(range(12))
