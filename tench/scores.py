"""Scores of class probabilities against labels."""

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-7  # Keras's, below which it clips probabilities


def accuracy(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Share of pictures whose most probable class is the label, 0 ... 1."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


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


def loss(distribution: NDArray[np.float64], labels: NDArray[np.integer]) -> float:
    """Mean categorical cross-entropy in nats of rows that sum to one."""
    return float(-np.log(distribution[np.arange(len(labels)), labels]).mean())


def score(
    distribution: NDArray[np.float64], labels: NDArray[np.integer], seen: NDArray[np.bool_]
) -> dict[str, object]:
    """Accuracy and loss of all pictures, and of those the backbone has seen and has not.

    Args:
        distribution: (pictures, classes), rows that sum to one.
        labels: (pictures,).
        seen: (pictures,).

    Returns:
        accuracy, loss, pictures, and the same three under `seen` and `unseen` where there are any.
    """

    def of(group: NDArray[np.bool_]) -> dict[str, object]:
        return {
            "accuracy": accuracy(distribution[group], labels[group]),
            "loss": loss(distribution[group], labels[group]),
            "pictures": int(group.sum()),
        }

    groups = {"seen": seen, "unseen": ~seen}
    return of(np.ones_like(seen)) | {name: of(g) for name, g in groups.items() if g.any()}
