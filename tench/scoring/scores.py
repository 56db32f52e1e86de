"""Scores of class probabilities against labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.scoring.uncertainty import (
    accuracy_interval,
    calibration_error,
    mean_interval,
    reliability,
)

# The least probability a loss is taken of: a float32 softmax underflows to 0 where the logits lie
# more than 87 apart.
LEAST = float(np.finfo(np.float32).tiny)
BLOCK = 4096  # pictures compared at a time: of a thousand classes, 32 MB


class Outcome(NamedTuple):
    """What a model says of every picture; all arrays are (pictures,)."""

    predicted: NDArray[np.int64]  # the most probable class
    confidence: NDArray[np.float64]  # its probability
    of_label: NDArray[np.float64]  # the true class's probability
    rank: NDArray[np.int64]  # the true class's place among all by probability, 1 the first
    right: NDArray[np.bool_]
    loss: NDArray[np.float64]  # categorical cross-entropy, nats


def outcome(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Outcome:
    """Compare a model's probabilities with the labels, picture by picture.

    Args:
        probabilities: (pictures, classes), rows that sum to one.
        labels: (pictures,).
    """
    starts = range(0, max(1, len(labels)), BLOCK)
    parts = [
        outcome_of_some(probabilities[start : start + BLOCK], labels[start : start + BLOCK])
        for start in starts
    ]
    return Outcome(*map(np.concatenate, zip(*parts, strict=True)))


def outcome_of_some(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> Outcome:
    """`outcome`, with copies of all probabilities on the way."""
    distribution = np.asarray(probabilities, np.float64)
    of_label = distribution[np.arange(len(labels)), labels]
    predicted = distribution.argmax(axis=1)
    return Outcome(
        predicted=predicted,
        confidence=distribution.max(axis=1),
        of_label=of_label,
        rank=1 + (distribution > of_label[:, None]).sum(axis=1),
        right=predicted == labels,
        loss=-np.log(np.maximum(of_label, LEAST)),
    )


def score(said: Outcome, seen: NDArray[np.bool_], seed: int) -> dict[str, object]:
    """Accuracy and loss of all pictures, and of those the backbone has seen and has not, each with
    the ends of its 95 % interval; of all pictures the calibration error too.

    Args:
        said: of every picture.
        seen: (pictures,).
        seed: of the bootstrap.

    Returns:
        accuracy, accuracy_interval, loss, loss_interval (lists, which DVC leaves out where it
        compares metrics: they would fill its tables), pictures, calibration_error; and, where there
        are pictures of both kinds, the first five again under `seen` and `unseen`.
    """

    def of(group: NDArray[np.bool_]) -> dict[str, object]:
        right, loss = said.right[group], said.loss[group]
        return {
            "accuracy": float(right.mean()),
            "accuracy_interval": list(accuracy_interval(right)),
            "loss": float(loss.mean()),
            "loss_interval": list(mean_interval(loss, seed)),
            "pictures": len(loss),
        }

    error = calibration_error(reliability(said.confidence, said.right))
    scores = of(np.ones_like(seen)) | {"calibration_error": error}
    if seen.any() and not seen.all():
        scores |= {"seen": of(seen), "unseen": of(~seen)}
    return scores
