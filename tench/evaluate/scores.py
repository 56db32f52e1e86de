"""Scores of class probabilities against labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.evaluate.statistics import (
    accuracy_interval,
    expected_calibration_error,
    mean_interval,
    reliability_bins,
)

# The least probability a loss is taken of: a float32 softmax underflows to 0 where the logits lie
# more than 87 apart.
MIN_PROBABILITY = float(np.finfo(np.float32).tiny)
BLOCK_ROWS = 4096  # images compared at a time: of a thousand classes, 32 MB


class Predictions(NamedTuple):
    """What a model says of every image; all arrays are (images,)."""

    predicted: NDArray[np.int64]  # the most probable class
    confidence: NDArray[np.float64]  # its probability
    label_probability: NDArray[np.float64]  # the true class's probability
    rank: NDArray[np.int64]  # the true class's place among all by probability, 1 the first
    is_correct: NDArray[np.bool_]
    loss: NDArray[np.float64]  # categorical cross-entropy, nats


def evaluate_predictions(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> Predictions:
    """Compare a model's probabilities with the labels, image by image.

    Args:
        probabilities: (images, classes), rows that sum to one.
        labels: (images,).
    """
    starts = range(0, max(1, len(labels)), BLOCK_ROWS)
    parts = [
        evaluate_block(
            probabilities[start : start + BLOCK_ROWS], labels[start : start + BLOCK_ROWS]
        )
        for start in starts
    ]
    return Predictions(*map(np.concatenate, zip(*parts, strict=True)))


def evaluate_block(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Predictions:
    """`outcome`, with copies of all probabilities on the way."""
    distribution = np.asarray(probabilities, np.float64)
    of_label = distribution[np.arange(len(labels)), labels]
    predicted = distribution.argmax(axis=1)
    return Predictions(
        predicted=predicted,
        confidence=distribution.max(axis=1),
        label_probability=of_label,
        rank=1 + (distribution > of_label[:, None]).sum(axis=1),
        is_correct=predicted == labels,
        loss=-np.log(np.maximum(of_label, MIN_PROBABILITY)),
    )


def score_predictions(said: Predictions, seen: NDArray[np.bool_], seed: int) -> dict[str, object]:
    """Accuracy and loss of all images, and of those the backbone has seen and has not, each with
    the ends of its 95 % interval; of all images the calibration error too.

    Args:
        said: of every image.
        seen: (images,).
        seed: of the bootstrap.

    Returns:
        accuracy, accuracy_interval, loss, loss_interval (lists, which DVC leaves out where it
        compares metrics: they would fill its tables), images, calibration_error; and, where there
        are images of both kinds, the first five again under `seen` and `unseen`.
    """

    def of(group: NDArray[np.bool_]) -> dict[str, object]:
        right, loss = said.is_correct[group], said.loss[group]
        return {
            "accuracy": float(right.mean()),
            "accuracy_interval": list(accuracy_interval(right)),
            "loss": float(loss.mean()),
            "loss_interval": list(mean_interval(loss, seed)),
            "images": len(loss),
        }

    error = expected_calibration_error(reliability_bins(said.confidence, said.is_correct))
    scores = of(np.ones_like(seen)) | {"calibration_error": error}
    if seen.any() and not seen.all():
        scores |= {"seen": of(seen), "unseen": of(~seen)}
    return scores
