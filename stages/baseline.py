"""baseline: train a small network from scratch on the same images, for comparison.

In:  data/prepared, data/split/index.csv, seed, baseline; trains for the epochs of extract_train and
     finetune together.
Out: metrics/baseline/: loss and accuracy per epoch;
     metrics/baseline.json: accuracy and loss on the test images with 95 % intervals, and the number
     of parameters.

`dvc repro baseline/dvc.yaml` runs it; no other stage depends on it.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.files import write_json
from tench.core.params import Params, load_params
from tench.core.paths import BASELINE, BASELINE_SCORES
from tench.data.index import Row, class_names, read_index, row_labels, rows_in_split, seen_mask
from tench.data.store.prepared_images import read_prepared
from tench.evaluate.scores import evaluate_predictions, score_predictions
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def build_cnn(image_size: int, classes: int, dropout: float, dense_units: int) -> Any:
    """Build a CNN with four 3 x 3 convolutions with BatchNorm, and the head.

    It maps images (n, size, size, 3) in [0, 255] to class probabilities (n, classes), and halves
    the resolution five times.
    """
    from tench.model.network.backbone import input_scaling_layer
    from tench.model.network.keras_setup import keras

    layers = keras.layers
    blocks: list[Any] = [
        keras.Input((image_size, image_size, 3), name="image"),
        input_scaling_layer("MobileNetV2"),
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


def image_reader(rows: list[Row]) -> Any:
    """A function that reads images by row index, float32 (n, size, size, 3)."""

    def read(indices: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.stack([read_prepared(rows[i]) for i in indices]).astype(np.float32)

    return read


def train_baseline(params: Params, rows: list[Row], work: Path) -> Any:
    """Train the network, with checkpoints in `work`; return it."""
    from tench.model.network.keras_setup import keras
    from tench.model.train.loop import Examples, train_model
    from tench.model.train.training_config import TrainingConfig

    keras.utils.set_random_seed(params.seed)
    head = params.extract_train
    model = build_cnn(
        params.data.image_size, len(class_names(rows)), head.dropout, head.dense_units
    )
    train, val = (
        Examples(image_reader(part), row_labels(part))
        for part in (rows_in_split(rows, split) for split in ("train", "val"))
    )
    config = TrainingConfig(
        first_epoch=1,
        last_epoch=head.epochs + params.finetune.epochs,
        learning_rate=params.baseline.learning_rate,
        batch_size=params.baseline.batch_size,
        seed=params.seed,
    )
    train_model(model, train, val, config, BASELINE, work, "baseline")
    return model


def score_baseline(model: Any, rows: list[Row], seed: int) -> dict[str, object]:
    """Scores of the network on the test images `rows`."""
    from tench.model.network.batch_predict import predict_images

    (probabilities,) = predict_images(
        rows, lambda batch: [model.predict_on_batch(batch)], "baseline test"
    )
    predictions = evaluate_predictions(probabilities, row_labels(rows))
    scores = score_predictions(predictions, seen_mask(rows), seed)
    return {"parameters": model.count_params(), **scores}


def main() -> None:
    params, rows = load_params(), read_index()
    with resume_folder("baseline") as work:
        model = train_baseline(params, rows, work)
    scores = score_baseline(model, rows_in_split(rows, "test"), params.seed)
    write_json(scores, BASELINE_SCORES)


if __name__ == "__main__":
    run_stage(main, [BASELINE_SCORES])
