"""A training that was stopped goes on at the epoch, and ends as one that was not: bit for bit."""

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

HOW = TrainingConfig(4, 8, 1e-2, 8, 42, ema=True, patience=4)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of its own."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="module")
def _eagerly() -> Iterator[None]:
    """Few steps take longer to trace than to run."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def network() -> Any:
    """A model of always the same weights with all that has a state: averages of BatchNorm, random
    numbers, and with HOW those of the optimizer."""
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
    """Noise around one center a class."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3).astype(np.int32)
    rows = np.eye(3, 12)[labels] + rng.normal(0, 0.6, (count, 12))
    return Examples(rows.astype(np.float32).__getitem__, labels)


class Outcome(NamedTuple):
    """What a training came to."""

    kept: int  # epoch
    weights: list[bytes]
    logged: dict[str, str]  # by DVCLive
    epochs: list[int]  # that were trained in the last call


def train(name: str, stop_in: int | None = None) -> Outcome:
    """Train in the folder `name`; with `stop_in`, until that epoch has begun."""
    model, began = network(), []
    run_epoch = loop.train_epoch

    def run(*arguments: Any) -> Any:
        began.append(arguments[4])
        if arguments[4] == stop_in:
            raise KeyboardInterrupt
        return run_epoch(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_epoch", run)
        folders = Path(name, "log"), Path(name, "work")
        kept = train_model(model, examples(12, 1), examples(12, 2), HOW, *folders, "test")
    weights = [weight.tobytes() for weight in model.get_weights()]
    files = [file for file in Path(name, "log").rglob("*") if file.is_file()]
    logged = {str(file.relative_to(name)): file.read_text() for file in files}
    return Outcome(kept, weights, logged, began)


def stop(name: str, epoch: int) -> None:
    """Begin a training and stop it in an epoch."""
    with pytest.raises(KeyboardInterrupt) as caught:
        train(name, epoch)
    assert caught.value.__notes__ == [f"test: epochs kept: {epoch - HOW.first}"]


def equal(one: Outcome, other: Outcome) -> bool:
    return one[:3] == other[:3]


def test_it_goes_on_at_the_epoch_bit_for_bit() -> None:
    whole = train("whole")
    assert whole.epochs == [4, 5, 6, 7, 8]
    stop("once", 7)
    once = train("once")
    assert once.epochs == [7, 8]
    assert equal(once, whole)
    for epoch in (4, 5, 6, 8):
        stop("often", epoch)
    often = train("often")
    assert often.epochs == [8]
    assert equal(often, whole)
    done = train("often")  # stopped after its last epoch
    assert done.epochs == []
    assert equal(done, whole)
    assert len(list(Path("often/work").iterdir())) == 2  # the journal, and the last state


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """What a training comes to that is not stopped, and a folder with one stopped in epoch 7."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("begun"))
        whole = train("whole")
        stop("stopped", 7)
        return whole, Path.cwd() / "stopped"


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
def test_what_was_damaged_since_is_not_gone_on_from(
    begun: tuple[Outcome, Path], damage: Callable[[Path], object]
) -> None:
    whole, stopped = begun
    shutil.copytree(stopped, "damaged")
    damage(Path("damaged/work"))
    again = train("damaged")
    assert again.epochs == [4, 5, 6, 7, 8]
    assert equal(again, whole)
