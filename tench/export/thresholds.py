"""Thresholds of the prediction flags: fit on validation images, evaluated on test images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.deploy.runtime.export_folder import Thresholds
from tench.deploy.runtime.neighbors import ReferenceSet, normalize_vectors
from tench.deploy.runtime.predictor import LOW_CONFIDENCE, OUT_OF_DISTRIBUTION, prediction_flag

IN_DISTRIBUTION_SHARE = 0.99  # share of validation images within the distance threshold

Array = NDArray[np.float32]


def reference_distances(reference_set: ReferenceSet, pooled: Array) -> Array:
    """Cosine distances of pooled features (n, channels) to the nearest reference image, (n,)."""
    vectors = normalize_vectors(pooled)
    return np.asarray(
        [1 - (reference_set.features @ vector).max() for vector in vectors], np.float32
    )


def confidence_threshold(
    confidence: Array, correct: NDArray[np.bool_], accuracy: float
) -> float | None:
    """Lowest confidence at or above which predictions reach an accuracy; None if none does.

    Source: the risk-coverage curve of El-Yaniv and Wiener, On the Foundations of Noise-free
    Selective Classification (JMLR 2010), without a bound on the risk.

    Args:
        confidence: Probability of the predicted class, (n,).
        correct: Whether each prediction is correct, (n,).
        accuracy: Accuracy to reach, 0 to 1.
    """
    order = np.argsort(-confidence, kind="stable")
    accuracies = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    # equal confidences are accepted together: only the last of them counts
    last = np.append(confidence[order][1:] != confidence[order][:-1], True)
    candidates = np.flatnonzero(last & (accuracies >= accuracy))
    return float(confidence[order[candidates[-1]]]) if len(candidates) else None


def fit_thresholds(
    probabilities: Array, labels: NDArray[np.integer[Any]], distances: Array, accuracy: float
) -> Thresholds:
    """Fit the thresholds on validation images.

    Args:
        probabilities: Predicted probabilities, (n, classes).
        labels: True labels, (n,).
        distances: Distances to the reference set, (n,).
        accuracy: Accuracy that confident predictions must reach (export.target_accuracy).
    """
    correct = probabilities.argmax(axis=1) == labels
    return Thresholds(
        confidence=confidence_threshold(probabilities.max(axis=1), correct, accuracy),
        accuracy=accuracy,
        distance=float(np.quantile(distances, IN_DISTRIBUTION_SHARE)),
    )


def evaluate_thresholds(
    thresholds: Thresholds,
    probabilities: Array,
    labels: NDArray[np.integer[Any]],
    distances: Array,
) -> dict[str, Any]:
    """Share of test images with each flag and without one, and the accuracy of the latter.

    Shapes as in `fit_thresholds`. `accuracy` is missing if no prediction is accepted.
    """
    correct = probabilities.argmax(axis=1) == labels
    pairs = zip(probabilities.max(axis=1), distances, strict=True)
    flags = np.array([prediction_flag(thresholds, float(p), float(d)) for p, d in pairs])
    accepted = flags == ""
    accuracy = {"accuracy": float(correct[accepted].mean())} if accepted.any() else {}
    return {
        "confidence": thresholds.confidence,
        "distance": thresholds.distance,
        "test": {
            OUT_OF_DISTRIBUTION: float((flags == OUT_OF_DISTRIBUTION).mean()),
            LOW_CONFIDENCE: float((flags == LOW_CONFIDENCE).mean()),
            "accepted": float(accepted.mean()),
            **accuracy,
        },
    }
