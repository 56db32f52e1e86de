"""Batched prediction, and a check that two prediction paths agree."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.core.paths import PREPARED
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared
from tench.model.network.batching import pad_batch
from tench.run.progress import progress_bar

BATCH_SIZE = 32
TOLERANCE = 1e-3  # of a probability, between two prediction paths

Probabilities = NDArray[np.float32]  # (images, classes)


def predict_images(
    rows: Sequence[Row],
    predict: Callable[[NDArray[np.float32]], Sequence[Probabilities]],
    label: str,
    folder: Path = PREPARED,
) -> list[Probabilities]:
    """Predict prepared images with one or more models.

    Args:
        rows: of the index.
        predict: a batch, float32 (BATCH_SIZE, size, size, 3), to the probabilities of each model.
        label: of the progress bar.
        folder: of the images.

    Returns:
        one array (images, classes) per model, in the order of `rows`.
    """
    predictions = []
    with progress_bar(None, label, len(rows)) as bar:
        for start in range(0, len(rows), BATCH_SIZE):
            images = [read_prepared(row, folder) for row in rows[start : start + BATCH_SIZE]]
            batch = pad_batch(np.stack(images).astype(np.float32), BATCH_SIZE)
            predictions.append([output[: len(images)] for output in predict(batch)])
            bar.update(len(images))
    return [np.concatenate(batches) for batches in zip(*predictions, strict=True)]


def predict_activations(
    read: Callable[[NDArray[np.int64]], NDArray[Any]], rows: NDArray[np.int64], model: Any
) -> Probabilities:
    """Predict from cached activations.

    Args:
        read: row numbers to activations (len(numbers), ...).
        rows: the row numbers.
        model: activations to probabilities.
    """
    parts = [rows[start : start + BATCH_SIZE] for start in range(0, len(rows), BATCH_SIZE)]
    return np.concatenate(
        [model.predict_on_batch(pad_batch(read(part), BATCH_SIZE))[: len(part)] for part in parts]
    )


def check_agreement(
    first: Probabilities, second: Probabilities, rows: Sequence[Row], paths: str
) -> float:
    """The largest difference between the probabilities of two prediction paths.

    Args:
        first: (images, classes).
        second: (images, classes).
        rows: of the index, one per image.
        paths: names both prediction paths in the message.

    Raises:
        TenchError: the difference exceeds TOLERANCE.
    """
    difference = np.abs(first - second)
    largest = float(difference.max())
    if not largest <= TOLERANCE:
        path = rows[int(difference.max(axis=1).argmax())].path
        raise TenchError(
            f"{PREPARED / path}: {paths} disagree by {largest:.2g} in a probability, more than "
            f"{TOLERANCE}. The scores would not be those of the trained model. Run "
            "`dvc repro --force finetune`; if it happens again, report it"
        )
    return largest
