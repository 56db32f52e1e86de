"""An interrupted training resumes at the epoch and ends bit for bit as one that was not."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from file_damage import flip_bit_in_file

from tench.model.network.keras_setup import keras, tf
from tench.model.train import loop
from tench.model.train.checkpoint import EPOCH_JOURNAL
from tench.model.train.loop import Examples, train_model
from tench.model.train.training_config import TrainingConfig

CONFIG = TrainingConfig(4, 8, 1e-2, 8, 42, ema=True, patience=4)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a separate folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def _eagerly() -> Iterator[None]:
    """Run eagerly: tracing takes longer than these few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def network() -> Any:
    """A model with the same weights every time and every kind of state: BatchNorm averages,
    dropout seeds and, with CONFIG, the optimizer's averages."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(8),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )


def examples(count: int, seed: int) -> Examples:
    """Noise around one center per class."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3).astype(np.int32)
    rows = np.eye(3, 12)[labels] + rng.normal(0, 0.6, (count, 12))
    return Examples(rows.astype(np.float32).__getitem__, labels)


class Result(NamedTuple):
    """The result of a training."""

    best: int  # epoch
    weights: list[bytes]
    logs: dict[str, str]  # the files of DVCLive
    epochs: list[int]  # trained in the last call


def train(name: str, stop_in: int | None = None) -> Result:
    """Train in the folder `name`; with `stop_in`, interrupt in that epoch."""
    model, epochs = network(), []
    train_epoch = loop.train_epoch

    def run(*arguments: Any) -> Any:
        epochs.append(arguments[4])
        if arguments[4] == stop_in:
            raise KeyboardInterrupt
        return train_epoch(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_epoch", run)
        folders = Path(name, "log"), Path(name, "work")
        best = train_model(model, examples(12, 1), examples(12, 2), CONFIG, *folders, "test")
    weights = [weight.tobytes() for weight in model.get_weights()]
    files = [file for file in Path(name, "log").rglob("*") if file.is_file()]
    logs = {str(file.relative_to(name)): file.read_text() for file in files}
    return Result(best, weights, logs, epochs)


def interrupt(name: str, epoch: int) -> None:
    """Start or resume a training and interrupt it in an epoch."""
    with pytest.raises(KeyboardInterrupt) as caught:
        train(name, epoch)
    assert caught.value.__notes__ == [f"test: epochs saved: {epoch - CONFIG.first_epoch}"]


def same_result(first: Result, second: Result) -> bool:
    """Whether everything but the epochs of the last call is equal."""
    return first[:3] == second[:3]


def test_training_resumes_at_the_epoch_bit_for_bit() -> None:
    whole = train("whole")
    assert whole.epochs == [4, 5, 6, 7, 8]
    interrupt("once", 7)
    once = train("once")
    assert once.epochs == [7, 8]
    assert same_result(once, whole)
    for epoch in (4, 5, 6, 8):
        interrupt("often", epoch)
    often = train("often")
    assert often.epochs == [8]
    assert same_result(often, whole)
    done = train("often")  # interrupted after its last epoch
    assert done.epochs == []
    assert same_result(done, whole)
    assert len(list(Path("often/work").iterdir())) == 2  # the journal and the last checkpoint


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """The result of an uninterrupted training, and a folder with one interrupted in epoch 7."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("interrupted"))
        whole = train("whole")
        interrupt("partial", 7)
        return whole, Path.cwd() / "partial"


@pytest.mark.parametrize(
    "damage",
    [
        lambda work: flip_bit_in_file(work / "00006.npz"),
        lambda work: flip_bit_in_file(work / EPOCH_JOURNAL),
        lambda work: os.truncate(work / "00006.npz", 1000),
        lambda work: (work / "00006.npz").unlink(),
        lambda work: (work / EPOCH_JOURNAL).write_text(""),
    ],
)
def test_training_does_not_resume_from_a_damaged_checkpoint(
    interrupted: tuple[Result, Path], damage: Callable[[Path], object]
) -> None:
    whole, partial = interrupted
    shutil.copytree(partial, "damaged")
    damage(Path("damaged/work"))
    result = train("damaged")
    assert result.epochs == [4, 5, 6, 7, 8]
    assert same_result(result, whole)
