"""Embedding: the features of every image, in order, on any machine, and resumed after a stop."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from file_damage import flip_bit_in_file
from numpy.typing import NDArray
from PIL import Image
from small_images import read_prepared_unchecked, write_prepared_image

from tench.core import parallel
from tench.core.paths import PREPARED
from tench.data.decode.resize import RGB, pixel_digest
from tench.data.index import Row
from tench.data.store import shards
from tench.data.store.shards import open_shards, read_rows
from tench.model.embed import embed_images as embedding
from tench.model.embed import engine as engines
from tench.model.embed import litert
from tench.model.embed.embed_images import write_feature_shards
from tench.model.embed.engine import Engine, convert_base_to_litert, open_engine
from tench.model.network.backbone import build_backbone
from tench.model.network.frozen_base import build_frozen_base
from tench.model.network.keras_setup import keras

SIZE = 32
COUNT = 21  # two and a half batches
LAYERS, CUT = 45, 27
LATE = -9  # a byte in the last row or the last line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with COUNT prepared images."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def images(folder: Path) -> list[Row]:
    """COUNT different prepared images, not in the order of their names."""
    rng = np.random.default_rng(1)
    rows = []
    for number in range(COUNT):
        name = f"{number * 8 % COUNT:02d}.zip/a.webp"
        split = "train" if number < 12 else "val"
        noise = rng.integers(0, 100, (SIZE, SIZE, 3)) + 155 * number // COUNT
        image = Image.fromarray(noise.astype(np.uint8))
        write_prepared_image(image, folder / PREPARED / name)
        rows.append(Row(name, split, 0, "fish", name, "", pixel_digest(image), 0, number))
    return rows


@pytest.fixture(autouse=True)
def _in_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages run in the project's root."""
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def backbone() -> Any:
    """The first LAYERS layers of a backbone with random weights: quick to convert."""
    keras.utils.set_random_seed(2)
    whole = build_backbone("MobileNetV2", SIZE)
    return keras.Model(whole.input, whole.layers[LAYERS - 1].output)


@pytest.fixture(scope="module")
def base(backbone: Any) -> Any:
    """A frozen base with two outputs: activations at the cut, and pooled features."""
    return build_frozen_base(backbone, "MobileNetV2", CUT, pooled=True)


@pytest.fixture(scope="module", autouse=True)
def _converted_once() -> Iterator[None]:
    """Convert each frozen base once: it takes seconds."""
    converted: dict[Any, bytes] = {}

    def convert(base: Any, batch_size: int) -> bytes:
        if base not in converted:
            converted[base] = convert_base_to_litert(base, batch_size)
        return converted[base]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "convert_base_to_litert", convert)
        yield


@pytest.fixture(scope="module")
def expected(base: Any, images: list[Row], folder: Path) -> list[NDArray[np.float32]]:
    """The outputs of Keras: activations at the cut, and pooled features."""
    batch = np.stack([read_prepared_unchecked(folder / PREPARED / row.path) for row in images])
    return [np.asarray(output) for output in base(batch.astype(np.float32), training=False)]


def means(images: RGB) -> list[NDArray[np.float32]]:
    """A fast stand-in for the frozen base: the mean of every column, as two outputs."""
    columns = images.mean(axis=1, dtype=np.float32)
    return [columns, columns[:, :, 0]]


MEANS = Engine("means", means, 8, [(SIZE, 3), (SIZE,)], uses_all_cores=True)


def all_rows(folder: Path, images: list[Row]) -> NDArray[np.generic]:
    """Every row of a folder of shards."""
    return read_rows(open_shards(folder, images), np.arange(len(images)))


def shrink_shards(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Limit the rows of a shard."""
    monkeypatch.setattr(shards, "SHARD_ROWS", rows)
    monkeypatch.setattr(embedding, "SHARD_ROWS", rows)


def content(*folders: Path) -> dict[str, bytes]:
    """The bytes of every file in folders, by path."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    return {str(file): file.read_bytes() for file in files}


@pytest.mark.parametrize("kind", ["litert", "tensorflow"])
def test_both_engines_agree_with_keras(
    base: Any,
    images: list[Row],
    expected: list[NDArray[np.float32]],
    tmp_path: Path,
    kind: str,
) -> None:
    folders = [tmp_path / "activations", tmp_path / "pooled"]
    with open_engine(base, kind) as engine:
        assert engine.name == kind
        write_feature_shards(images, engine, folders, tmp_path / "journal")
    assert [output.shape for output in expected] == [(COUNT, 8, 8, 24), (COUNT, 32)]
    for folder, wanted in zip(folders, expected, strict=True):
        rows = all_rows(folder, images)
        assert rows.dtype == np.float32
        scale = np.abs(wanted).max()
        gaps = np.abs(wanted[:, None] - wanted[None]).reshape(COUNT, COUNT, -1).max(axis=2)
        assert gaps[~np.eye(COUNT, dtype=bool)].min() > 1e-3 * scale  # so that the order shows
        np.testing.assert_allclose(rows / scale, wanted / scale, atol=1e-4)


def test_auto_uses_litert_without_a_gpu(base: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for devices, name in (([], "litert"), (["a GPU"], "tensorflow")):
        monkeypatch.setattr(
            engines.tf.config, "list_physical_devices", lambda kind, devices=devices: devices
        )
        with open_engine(base, "auto") as engine:
            assert engine.name == name


def test_the_number_of_cores_does_not_change_the_bytes(
    base: Any, images: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cores in (1, 3):
        for module in (litert, parallel):
            monkeypatch.setattr(module, "available_cores", lambda number=cores: number)
        folders = [tmp_path / str(cores) / name for name in ("activations", "pooled")]
        with open_engine(base, "litert") as engine:
            write_feature_shards(images, engine, folders, tmp_path / f"{cores}.journal")
    for name in ("activations", "pooled"):
        one, three = (tmp_path / cores / name / "00000.npy" for cores in ("1", "3"))
        assert one.read_bytes() == three.read_bytes()


@pytest.mark.parametrize("all_cores", [True, False])
@pytest.mark.parametrize("rows", [8, 12, 20, 21, 100])
def test_images_fill_several_shards(
    images: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, all_cores: bool
) -> None:
    shrink_shards(monkeypatch, rows)
    monkeypatch.setattr(embedding, "BATCHES_PER_TURN", 2)
    folders = [tmp_path / "columns", tmp_path / "red"]
    write_feature_shards(
        images, MEANS._replace(uses_all_cores=all_cores), folders, tmp_path / "journal"
    )
    files = open_shards(tmp_path / "columns", images).files
    assert [len(np.load(file)) for file in files] == [
        min(rows, COUNT - start) for start in range(0, COUNT, rows)
    ]
    wanted = means(np.stack([read_prepared_unchecked(PREPARED / row.path) for row in images]))
    for folder, columns in zip(("columns", "red"), wanted, strict=True):
        assert np.array_equal(all_rows(tmp_path / folder, images), columns)


class Interrupted(NamedTuple):
    """An embedding interrupted in its third shard, and the files of one that was not."""

    folders: list[Path]
    journal: Path
    calls: list[int]  # sizes of the batches computed since
    whole: dict[str, bytes]


@pytest.fixture
def interrupted(images: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Interrupted:
    shrink_shards(monkeypatch, 8)
    whole = [tmp_path / "whole" / name for name in ("columns", "red")]
    write_feature_shards(images, MEANS, whole, tmp_path / "whole.journal")
    folders = [tmp_path / "interrupted" / name for name in ("columns", "red")]
    journal = tmp_path / "interrupted.journal"

    def stop(batch: RGB) -> list[NDArray[np.float32]]:
        if len(list(folders[0].glob("0*.npy"))) == 2:
            raise KeyboardInterrupt
        return means(batch)

    with pytest.raises(KeyboardInterrupt) as caught:
        write_feature_shards(images, MEANS._replace(forward=stop), folders, journal)
    assert caught.value.__notes__ == ["embed: 16 of 21 images saved"]
    return Interrupted(folders, journal, [], content(*whole))


def resume(interrupted: Interrupted, images: list[Row]) -> None:
    """Embed again, and compare with the uninterrupted embedding."""

    def count(batch: RGB) -> list[NDArray[np.float32]]:
        interrupted.calls.append(len(batch))
        return means(batch)

    write_feature_shards(
        images, MEANS._replace(forward=count), interrupted.folders, interrupted.journal
    )
    files = content(*interrupted.folders)
    renamed = {name.replace("/interrupted/", "/whole/"): data for name, data in files.items()}
    assert renamed == interrupted.whole


def test_an_interrupted_run_resumes_at_the_shard(
    interrupted: Interrupted, images: list[Row]
) -> None:
    resume(interrupted, images)
    assert sum(interrupted.calls) == 5
    resume(interrupted, images)  # interrupted after its end: nothing is left to do
    assert sum(interrupted.calls) == 5


@pytest.mark.parametrize(
    ("damage", "computed"),
    [
        (lambda run: flip_bit_in_file(run.folders[1] / "00001.npy", LATE), 13),
        (lambda run: flip_bit_in_file(run.folders[0] / "00000.npy", LATE), 21),
        (lambda run: (run.folders[0] / "00001.npy").unlink(), 13),
        (lambda run: os.truncate(run.folders[0] / "00001.npy", 100), 13),
        (lambda run: os.truncate(run.journal, run.journal.stat().st_size - 1), 13),
        (lambda run: flip_bit_in_file(run.journal, LATE), 13),
        (lambda run: run.journal.unlink(), 21),
    ],
)
def test_damaged_shards_are_computed_again(
    interrupted: Interrupted,
    images: list[Row],
    damage: Callable[[Interrupted], object],
    computed: int,
) -> None:
    damage(interrupted)
    resume(interrupted, images)
    assert sum(interrupted.calls) == computed
    assert len(interrupted.journal.read_text().splitlines()) == 3
