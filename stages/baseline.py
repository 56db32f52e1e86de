"""baseline: a small network trained from scratch on the same pictures, for comparison.

In:  data/prepared, seed, baseline; as many epochs as extract_train and finetune have together.
Out: metrics/baseline/ (loss and accuracy of every epoch),
     metrics/baseline.json (accuracy and loss on the test pictures with their 95 % intervals, and
     the number of the network's parameters).

Run by `dvc repro baseline/dvc.yaml` alone; nothing of the pipeline waits for it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.console.stage import run_stage
from tench.core.files import write_json
from tench.core.params import Params, load_params
from tench.core.paths import BASELINE, BASELINE_SCORES
from tench.core.unfinished import unfinished
from tench.pictures.checked import read_checked
from tench.pictures.index import Row, class_names, labels_of, of_split, read_index, seen_of
from tench.scoring.scores import outcome, score


def build_cnn(image_size: int, classes: int, dropout: float, dense_units: int) -> Any:
    """Four 3 x 3 convolutions with BatchNorm, halving the picture five times, then the head:
    pictures (n, size, size, 3) in 0 ... 255 to class probabilities."""
    from tench.network.backbone import scaling
    from tench.network.runtime import keras

    layers = keras.layers
    blocks: list[Any] = [
        keras.Input((image_size, image_size, 3), name="picture"),
        scaling("MobileNetV2"),
    ]
    for number, filters in enumerate((32, 64, 128, 128)):
        blocks += [
            layers.Conv2D(
                filters, 3, strides=2 if number == 0 else 1, padding="same", use_bias=False
            ),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
        ]
    blocks += [
        layers.GlobalAveragePooling2D(),
        layers.Dense(dense_units, activation="relu"),
        layers.Dropout(dropout),
        layers.Dense(classes, activation="softmax", name="probabilities"),
    ]
    return keras.Sequential(blocks, name="baseline")


def reader(rows: list[Row]) -> Any:
    """A function from row numbers to pictures, float32 (n, size, size, 3)."""

    def read(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([read_checked(rows[n]) for n in numbers]).astype(np.float32)

    return read


def train(params: Params, rows: list[Row], work: Path) -> Any:
    """Train the network; return it."""
    from tench.network.runtime import keras
    from tench.training.loop import Examples, fit
    from tench.training.settings import Training

    keras.utils.set_random_seed(params.seed)
    head = params.extract_train
    model = build_cnn(
        params.data.image_size, len(class_names(rows)), head.dropout, head.dense_units
    )
    train, val = (
        Examples(reader(part), labels_of(part))
        for part in (of_split(rows, split) for split in ("train", "val"))
    )
    how = Training(
        first=1,
        last=head.epochs + params.finetune.epochs,
        learning_rate=params.baseline.learning_rate,
        batch_size=params.baseline.batch_size,
        seed=params.seed,
    )
    fit(model, train, val, how, BASELINE, work, "baseline")
    return model


def test(model: Any, rows: list[Row], seed: int) -> dict[str, object]:
    """Score the network on the test pictures `rows`."""
    from tench.network.answers import of_pictures

    (answers,) = of_pictures(rows, lambda batch: [model.predict_on_batch(batch)], "baseline test")
    return {
        "parameters": model.count_params(),
        **score(outcome(answers, labels_of(rows)), seen_of(rows), seed),
    }


def main() -> None:
    params, rows = load_params(), read_index()
    with unfinished("baseline") as work:
        model = train(params, rows, work)
    scores = test(model, of_split(rows, "test"), params.seed)
    write_json(scores, BASELINE_SCORES)


if __name__ == "__main__":
    run_stage(main, [BASELINE_SCORES])
