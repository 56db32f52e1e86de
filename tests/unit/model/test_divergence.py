"""A training that diverges fails with one clear error and keeps its finished epochs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.model.network.classifier import connect_top_and_head, with_activation
from tench.model.network.keras_setup import keras, tf
from tench.model.train.acceptance import fit_if_better
from tench.model.train.checkpoint import EPOCH_JOURNAL, restore_checkpoint
from tench.model.train.loop import Examples, train_model
from tench.model.train.training_config import TrainingConfig
from tench.run.resume import read_entries

CLASSES = 3


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run every test in a separate folder, eagerly: tracing takes longer than these few steps."""
    monkeypatch.chdir(tmp_path)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def head() -> Any:
    """A head on 8 features, with the same weights every time."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(8, "relu"), layers.Dense(CLASSES, name="logits")]
    )


def examples(shape: tuple[int, ...], batch_size: int) -> Examples:
    """Two batches of noise."""
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 1, (2 * batch_size, *shape)).astype(np.float32)
    return Examples(rows.__getitem__, (np.arange(len(rows)) % CLASSES).astype(np.int32))


def extract_train(config: TrainingConfig, output: str) -> int:
    """Train as in the stage extract-train."""
    data = examples((8,), config.batch_size)
    model = with_activation(head(), output)
    return train_model(model, data, data, config, Path("log"), Path("work"), "extract-train")


def finetune(config: TrainingConfig, output: str) -> int:
    """Train as in the stage finetune."""
    data = examples((4, 4, 5), config.batch_size)
    top = keras.Sequential([keras.Input((4, 4, 5)), keras.layers.Conv2D(8, 1)])
    model = connect_top_and_head(top, head())
    return fit_if_better(model, output, data, data, config, Path("log"), Path("work"), "finetune")


@pytest.mark.parametrize("stage", [extract_train, finetune])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch_size": 500},  # one step: only the validation loss shows it
        {"patience": 2, "ema": True, "balanced": True},
    ],
)
def test_divergence_names_the_epoch_and_the_parameter_to_lower(
    stage: Callable[[TrainingConfig, str], int], output: str, change: dict[str, Any]
) -> None:
    config = TrainingConfig(4, 8, 1e38, 8, 42)._replace(**change)
    with pytest.raises(TenchError) as caught:
        stage(config, output)
    name = stage.__name__
    assert str(caught.value) == (
        f"{name.replace('_', '-')}: training diverged in epoch 4: its loss is not a finite number. "
        f"Lower {name}.learning_rate (1e+38) in params.yaml, then run `dvc repro` again"
    )


@pytest.mark.parametrize("patience", [0, 9])
def test_epochs_before_divergence_are_kept(patience: int) -> None:
    config = TrainingConfig(4, 8, 1e-3, 8, 42, patience=patience)
    data, batches = examples((8,), 8), []

    def read(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read rows, scaled to overflow from the third epoch on."""
        batches.append(len(rows))
        return np.asarray(data.read(rows) * np.float32(1e38 if len(batches) > 2 * 2 else 1))

    train = data._replace(read=read)
    model = with_activation(head())
    folders = Path("log"), Path("work")
    with pytest.raises(TenchError, match="diverged in epoch 6:"):
        train_model(model, train, data, config, *folders, "finetune")
    assert len(read_entries(folders[1] / EPOCH_JOURNAL)) == 2
    assert json.loads((folders[0] / "metrics.json").read_text())["step"] == 5
    epochs, _ = restore_checkpoint(model, folders[1])
    assert [epoch.number for epoch in epochs] == [4, 5]
    whole = with_activation(head())
    train_model(
        whole,
        data,
        data,
        config._replace(last_epoch=5, patience=0),
        Path("l"),
        Path("w"),
        "finetune",
    )
    pairs = zip(model.get_weights(), whole.get_weights(), strict=True)
    assert all(np.array_equal(first, second) for first, second in pairs)
