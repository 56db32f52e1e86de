"""Scores of class probabilities against labels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.uncertainty import bootstrap_intervals, calibration_error, reliability

EPSILON = 1e-7  # Keras's, below which it clips probabilities


class Outcome(NamedTuple):
    """What a model says of every picture; all arrays are (pictures,)."""

    predicted: NDArray[np.int64]  # the most probable class
    confidence: NDArray[np.float64]  # its probability
    of_label: NDArray[np.float64]  # the true class's probability
    rank: NDArray[np.int64]  # the true class's place among all by probability, 1 the first
    right: NDArray[np.bool_]
    loss: NDArray[np.float64]  # categorical cross-entropy, nats


def normalised(probabilities: NDArray[np.floating], activation: str) -> NDArray[np.float64]:
    """Output probabilities as a distribution over the classes: every row sums to one.

    Sigmoid outputs are independent of each other and do not sum to one. Keras's cross-entropy does
    not use them but the logits before them, as softmax would: so p becomes, up to scale, its odds
    p / (1 - p). Source: _keras_logits in keras.activations.sigmoid and keras.ops
    .sparse_categorical_crossentropy. Values are clipped to [EPSILON, 1 - EPSILON] first.

    Args:
        probabilities: (pictures, classes).
        activation: that made them, sigmoid or softmax.
    """
    p = np.clip(np.asarray(probabilities, np.float64), EPSILON, 1 - EPSILON)
    weight = p / (1 - p) if activation == "sigmoid" else p
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))


def outcome(distribution: NDArray[np.float64], labels: NDArray[np.integer]) -> Outcome:
    """Compare a model's probabilities with the labels, picture by picture.

    Args:
        distribution: (pictures, classes), rows that sum to one.
        labels: (pictures,).
    """
    predicted = distribution.argmax(axis=1)
    of_label = distribution[np.arange(len(labels)), labels]
    return Outcome(
        predicted=predicted,
        confidence=distribution.max(axis=1),
        of_label=of_label,
        rank=1 + (distribution > of_label[:, None]).sum(axis=1),
        right=predicted == labels,
        loss=-np.log(of_label),
    )


def score(
    said: Outcome, labels: NDArray[np.integer], seen: NDArray[np.bool_], seed: int
) -> dict[str, object]:
    """Accuracy and loss of all pictures, and of those the backbone has seen and has not, each with
    the ends of its 95 % interval; of all pictures the calibration error too.

    The test set was held out class by class, and is resampled so. How many pictures of a class the
    backbone has seen is chance: those two groups are resampled as a whole.

    Args:
        said: of every picture.
        labels: (pictures,).
        seen: (pictures,).
        seed: of the bootstrap.

    Returns:
        accuracy, accuracy_interval, loss, loss_interval (lists, which DVC leaves out where it
        compares metrics: they would fill its tables), pictures, and the same
        under `seen` and `unseen` where there are any; calibration_error.
    """

    def of(group: NDArray[np.bool_], strata: NDArray[np.integer]) -> dict[str, object]:
        values = np.column_stack([said.right, said.loss])[group]
        means = values.mean(axis=0)
        intervals = bootstrap_intervals(values, strata[group], seed)
        figures: dict[str, object] = {}
        for name, mean, ends in zip(("accuracy", "loss"), means, intervals, strict=True):
            figures |= {name: float(mean), f"{name}_interval": list(ends)}
        return figures | {"pictures": int(group.sum())}

    groups = {"seen": seen, "unseen": ~seen}
    return (
        of(np.ones_like(seen), labels)
        | {"calibration_error": calibration_error(reliability(said.confidence, said.right))}
        | {name: of(group, np.zeros_like(labels)) for name, group in groups.items() if group.any()}
    )
