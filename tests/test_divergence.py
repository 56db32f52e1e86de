"""A training that diverges ends with one clear error, and its finished epochs stay."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.core.unfinished import entries
from tench.network.classifier import on_activations, with_output
from tench.network.runtime import keras, tf
from tench.training.keeping import fit_if_better
from tench.training.loop import Examples, fit
from tench.training.resuming import JOURNAL, kept_epochs
from tench.training.settings import Training

CLASSES = 3


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a folder of its own; steps are not traced, which takes longer than they do."""
    monkeypatch.chdir(tmp_path)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def head() -> Any:
    """A head on 8 features, of always the same weights."""
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


def extract_train(how: Training, output: str) -> int:
    """Train as the stage extract-train does."""
    data = examples((8,), how.batch_size)
    model = with_output(head(), output)
    return fit(model, data, data, how, Path("log"), Path("work"), "extract-train")


def finetune(how: Training, output: str) -> int:
    """Train as the stage finetune does."""
    data = examples((4, 4, 5), how.batch_size)
    tail = keras.Sequential([keras.Input((4, 4, 5)), keras.layers.Conv2D(8, 1)])
    model = on_activations(tail, head())
    return fit_if_better(model, output, data, data, how, Path("log"), Path("work"), "finetune")


@pytest.mark.parametrize("stage", [extract_train, finetune])
@pytest.mark.parametrize("output", ["sigmoid", "softmax"])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"batch_size": 500},  # one step, and only validation shows it
        {"patience": 2, "average_weights": True, "balanced": True},
    ],
)
def test_a_training_that_diverges_names_the_epoch_and_the_parameter_to_lower(
    stage: Callable[[Training, str], int], output: str, change: dict[str, Any]
) -> None:
    how = Training(4, 8, 1e38, 8, 42)._replace(**change)
    with pytest.raises(TenchError) as caught:
        stage(how, output)
    name = stage.__name__
    assert str(caught.value) == (
        f"{name.replace('_', '-')}: training diverged in epoch 4: its loss is not a finite number. "
        f"Lower {name}.learning_rate (1e+38) in params.yaml, then run `dvc repro` again"
    )


@pytest.mark.parametrize("patience", [0, 9])
def test_the_epochs_before_it_diverged_stay(patience: int) -> None:
    how = Training(4, 8, 1e-3, 8, 42, patience=patience)
    data, begun = examples((8,), 8), []

    def read(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The rows; from the third epoch on, so large that they overflow."""
        begun.append(len(rows))
        return np.asarray(data.read(rows) * np.float32(1e38 if len(begun) > 2 * 2 else 1))

    train = data._replace(read=read)
    model = with_output(head())
    folders = Path("log"), Path("work")
    with pytest.raises(TenchError, match="diverged in epoch 6:"):
        fit(model, train, data, how, *folders, "finetune")
    assert len(entries(folders[1] / JOURNAL)) == 2
    assert json.loads((folders[0] / "metrics.json").read_text())["step"] == 5
    epochs, _ = kept_epochs(model, folders[1])
    assert [one.number for one in epochs] == [4, 5]
    whole = with_output(head())
    fit(whole, data, data, how._replace(last=5, patience=0), Path("l"), Path("w"), "finetune")
    pairs = zip(model.get_weights(), whole.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in pairs)
