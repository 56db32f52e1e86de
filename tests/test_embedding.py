"""Embedding: every picture's features, in order, on any machine, and stopped at any time."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from damage import flip
from numpy.typing import NDArray
from PIL import Image
from small_pictures import get_prepared, put_prepared

from tench.core import parallel
from tench.core.paths import PREPARED
from tench.embedding import embed as embedding
from tench.embedding import engine as engines
from tench.embedding import litert
from tench.embedding.embed import embed
from tench.embedding.engine import Engine, open_engine, to_litert
from tench.network.backbone import build_backbone
from tench.network.runtime import keras
from tench.network.trunk import build_trunk
from tench.pictures import shards
from tench.pictures.index import Row
from tench.pictures.prepared import RGB, pixel_digest
from tench.pictures.shards import open_shards, read_rows

SIZE = 32
COUNT = 21  # two batches and a part of one
LAYERS, TAP = 45, 27
LATE = -9  # a byte of the last row, or of the last line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with COUNT prepared pictures."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def pictures(folder: Path) -> list[Row]:
    """COUNT prepared pictures, no two alike, whose names are not in their order."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(COUNT):
        name = f"{number * 8 % COUNT:02d}.zip/a.webp"
        split = "train" if number < 12 else "val"
        noise = rng.integers(0, 100, (SIZE, SIZE, 3)) + 155 * number // COUNT
        picture = Image.fromarray(noise.astype(np.uint8))
        put_prepared(picture, folder / PREPARED / name)
        rows.append(Row(name, split, 0, "fish", name, "", pixel_digest(picture), 0, number))
    return rows


@pytest.fixture(autouse=True)
def _in_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages run in the project's root."""
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def backbone() -> Any:
    """The first LAYERS layers of a backbone with random weights, for short: quick to convert."""
    keras.utils.set_random_seed(2)
    whole = build_backbone("MobileNetV2", SIZE)
    return keras.Model(whole.input, whole.layers[LAYERS - 1].output)


@pytest.fixture(scope="module")
def trunk(backbone: Any) -> Any:
    """A trunk with two outputs: tapped, and pooled."""
    return build_trunk(backbone, "MobileNetV2", TAP, pooled=True)


@pytest.fixture(scope="module", autouse=True)
def _converted_once() -> Iterator[None]:
    """Convert each trunk once: it takes seconds."""
    made: dict[Any, bytes] = {}

    def convert(trunk: Any, batch: int) -> bytes:
        if trunk not in made:
            made[trunk] = to_litert(trunk, batch)
        return made[trunk]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "to_litert", convert)
        yield


@pytest.fixture(scope="module")
def expected(trunk: Any, pictures: list[Row], folder: Path) -> list[NDArray[np.float32]]:
    """What Keras itself says: the tapped activations and the pooled features."""
    batch = np.stack([get_prepared(folder / PREPARED / row.path) for row in pictures])
    return [np.asarray(output) for output in trunk(batch.astype(np.float32), training=False)]


def means(pictures: RGB) -> list[NDArray[np.float32]]:
    """A trunk that takes no time: the mean of every column, as two outputs."""
    columns = pictures.mean(axis=1, dtype=np.float32)
    return [columns, columns[:, :, 0]]


MEANS = Engine("means", means, 8, [(SIZE, 3), (SIZE,)], on_all_cores=True)


def all_rows(folder: Path, pictures: list[Row]) -> NDArray[np.generic]:
    """Every row of a folder of shards."""
    return read_rows(open_shards(folder, pictures), np.arange(len(pictures)))


def shrink_shards(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let a shard hold few rows."""
    monkeypatch.setattr(shards, "ROWS", rows)
    monkeypatch.setattr(embedding, "ROWS", rows)


def content(*folders: Path) -> dict[str, bytes]:
    """The bytes of every file in folders, by path."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_both_engines_agree_with_keras(
    trunk: Any,
    pictures: list[Row],
    expected: list[NDArray[np.float32]],
    tmp_path: Path,
    kind: str,
) -> None:
    folders = [tmp_path / "tapped", tmp_path / "pooled"]
    with open_engine(trunk, kind) as engine:
        assert engine.name == kind
        embed(pictures, engine, folders, tmp_path / "journal")
    assert [one.shape for one in expected] == [(COUNT, 8, 8, 24), (COUNT, 32)]
    for folder, wanted in zip(folders, expected, strict=True):
        found = all_rows(folder, pictures)
        assert found.dtype == np.float32
        scale = np.abs(wanted).max()
        gaps = np.abs(wanted[:, None] - wanted[None]).reshape(COUNT, COUNT, -1).max(axis=2)
        assert gaps[~np.eye(COUNT, dtype=bool)].min() > 1e-3 * scale  # else order would not show
        np.testing.assert_allclose(found / scale, wanted / scale, atol=1e-4)


def test_without_a_gpu_litert_is_the_engine(trunk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for devices, name in (([], "litert"), (["a GPU"], "tensorflow")):
        monkeypatch.setattr(
            engines.tf.config, "list_physical_devices", lambda kind, found=devices: found
        )
        with open_engine(trunk, "auto") as engine:
            assert engine.name == name


def test_the_number_of_cores_changes_nothing(
    trunk: Any, pictures: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores in (1, 3):
        for module in (litert, parallel):
            monkeypatch.setattr(module, "cores", lambda number=cores: number)
        folders = [tmp_path / str(cores) / name for name in ("tapped", "pooled")]
        with open_engine(trunk, "litert") as engine:
            embed(pictures, engine, folders, tmp_path / f"{cores}.journal")
    for name in ("tapped", "pooled"):
        one, three = (tmp_path / cores / name / "00000.npy" for cores in ("1", "3"))
        assert one.read_bytes() == three.read_bytes()


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("rows", [8, 12, 20, 21, 100])
def test_more_pictures_than_a_shard_holds(
    pictures: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, alone: bool
) -> None:
    shrink_shards(monkeypatch, rows)
    monkeypatch.setattr(embedding, "TURN", 2)
    folders = [tmp_path / "columns", tmp_path / "red"]
    embed(pictures, MEANS._replace(on_all_cores=alone), folders, tmp_path / "journal")
    files = open_shards(tmp_path / "columns", pictures).files
    assert [len(np.load(file)) for file in files] == [
        min(rows, COUNT - start) for start in range(0, COUNT, rows)
    ]
    wanted = means(np.stack([get_prepared(PREPARED / row.path) for row in pictures]))
    for folder, columns in zip(("columns", "red"), wanted, strict=True):
        assert np.array_equal(all_rows(tmp_path / folder, pictures), columns)


class Stopped(NamedTuple):
    """An embedding that was stopped in its third shard, and one of the same that was not."""

    folders: list[Path]
    journal: Path
    calls: list[int]  # how many pictures the trunk was asked for, since
    whole: dict[str, bytes]


@pytest.fixture
def stopped(pictures: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stopped:
    shrink_shards(monkeypatch, 8)
    whole = [tmp_path / "whole" / name for name in ("columns", "red")]
    embed(pictures, MEANS, whole, tmp_path / "whole.journal")
    folders = [tmp_path / "stopped" / name for name in ("columns", "red")]
    journal = tmp_path / "stopped.journal"

    def stop(batch: RGB) -> list[NDArray[np.float32]]:
        if len(list(folders[0].glob("0*.npy"))) == 2:
            raise KeyboardInterrupt
        return means(batch)

    with pytest.raises(KeyboardInterrupt) as caught:
        embed(pictures, MEANS._replace(forward=stop), folders, journal)
    assert caught.value.__notes__ == ["embed: 16 of 21 pictures are kept"]
    return Stopped(folders, journal, [], content(*whole))


def go_on(one: Stopped, pictures: list[Row]) -> None:
    """Embed again, and compare with what was never stopped."""

    def count(batch: RGB) -> list[NDArray[np.float32]]:
        one.calls.append(len(batch))
        return means(batch)

    embed(pictures, MEANS._replace(forward=count), one.folders, one.journal)
    found = content(*one.folders)
    assert {name.replace("/stopped/", "/whole/"): data for name, data in found.items()} == one.whole


def test_a_stopped_run_goes_on_at_the_shard(stopped: Stopped, pictures: list[Row]) -> None:
    go_on(stopped, pictures)
    assert sum(stopped.calls) == 5
    go_on(stopped, pictures)  # stopped after its end: nothing is left to do
    assert sum(stopped.calls) == 5


@pytest.mark.parametrize(
    ("damage", "again"),
    [
        (lambda one: flip(one.folders[1] / "00001.npy", LATE), 13),
        (lambda one: flip(one.folders[0] / "00000.npy", LATE), 21),
        (lambda one: (one.folders[0] / "00001.npy").unlink(), 13),
        (lambda one: os.truncate(one.folders[0] / "00001.npy", 100), 13),
        (lambda one: os.truncate(one.journal, one.journal.stat().st_size - 1), 13),
        (lambda one: flip(one.journal, LATE), 13),
        (lambda one: one.journal.unlink(), 21),
    ],
)
def test_what_was_damaged_since_is_made_again(
    stopped: Stopped, pictures: list[Row], damage: Callable[[Stopped], object], again: int
) -> None:
    damage(stopped)
    go_on(stopped, pictures)
    assert sum(stopped.calls) == again
    assert len(stopped.journal.read_text().splitlines()) == 3
