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

# Bounds the loss: a float32 softmax underflows to 0 for logits more than 87 apart.
MIN_PROBABILITY = float(np.finfo(np.float32).tiny)
BLOCK_ROWS = 4096  # images per block: 32 MB for a thousand classes


class Predictions(NamedTuple):
    """The predictions of a model and their quality; all arrays are (images,)."""

    predicted: NDArray[np.int64]  # the most probable class
    confidence: NDArray[np.float64]  # probability of the predicted class
    label_probability: NDArray[np.float64]  # probability of the true class
    label_rank: NDArray[np.int64]  # rank of the true class by probability, from 1
    is_correct: NDArray[np.bool_]
    loss: NDArray[np.float64]  # categorical cross-entropy, nats


def evaluate_predictions(
    probabilities: NDArray[np.floating], labels: NDArray[np.integer]
) -> Predictions:
    """Compare class probabilities with the labels, image by image.

    Args:
        probabilities: (images, classes); rows sum to one.
        labels: (images,), the true classes.
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
    """`evaluate_predictions` for one block, because it copies the probabilities."""
    distribution = np.asarray(probabilities, np.float64)
    label_probability = distribution[np.arange(len(labels)), labels]
    predicted = distribution.argmax(axis=1)
    return Predictions(
        predicted=predicted,
        confidence=distribution.max(axis=1),
        label_probability=label_probability,
        label_rank=1 + (distribution > label_probability[:, None]).sum(axis=1),
        is_correct=predicted == labels,
        loss=-np.log(np.maximum(label_probability, MIN_PROBABILITY)),
    )


def score_predictions(
    predictions: Predictions, seen: NDArray[np.bool_], seed: int
) -> dict[str, object]:
    """Accuracy, loss and calibration error, with 95 % confidence intervals.

    Args:
        predictions: of every image.
        seen: (images,), whether the backbone was trained on the image.
        seed: of the bootstrap.

    Returns:
        accuracy, accuracy_interval, loss, loss_interval, images and calibration_error. If some
        images were seen and some not, `seen` and `unseen` have the first five for each part.
        Intervals are lists, which DVC omits from its tables of metrics.
    """

    def score(part: NDArray[np.bool_]) -> dict[str, object]:
        correct, loss = predictions.is_correct[part], predictions.loss[part]
        return {
            "accuracy": float(correct.mean()),
            "accuracy_interval": list(accuracy_interval(correct)),
            "loss": float(loss.mean()),
            "loss_interval": list(mean_interval(loss, seed)),
            "images": len(loss),
        }

    bins = reliability_bins(predictions.confidence, predictions.is_correct)
    scores = score(np.ones_like(seen)) | {"calibration_error": expected_calibration_error(bins)}
    if seen.any() and not seen.all():
        scores |= {"seen": score(seen), "unseen": score(~seen)}
    return scores
