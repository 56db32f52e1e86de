"""From when on an answer is to be doubted, by validation images; and whether that holds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.deploy.runtime.export_folder import Thresholds
from tench.deploy.runtime.neighbors import ReferenceSet, normalize_vectors
from tench.deploy.runtime.predictor import LOW_CONFIDENCE, OUT_OF_DISTRIBUTION, prediction_flag

IN_DISTRIBUTION_SHARE = 0.99  # of the validation images lie nearer than a stranger

Array = NDArray[np.float32]


def reference_distances(known: ReferenceSet, pooled: Array) -> Array:
    """How far images (n, channels) lie from the nearest known one, (n,), 0 ... 2."""
    return np.asarray(
        [1 - (known.features @ one).max() for one in normalize_vectors(pooled)], np.float32
    )


def confidence_threshold(
    confidence: Array, right: NDArray[np.bool_], accuracy: float
) -> float | None:
    """The lowest confidence such that of the images with at least as much the share `accuracy` is
    right; None if there is none.

    Source: the risk-coverage curve of El-Yaniv and Wiener, On the Foundations of Noise-free
    Selective Classification (JMLR 2010), without a bound on the risk.
    """
    order = np.argsort(-confidence, kind="stable")
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last = np.append(confidence[order][1:] != confidence[order][:-1], True)  # of equal ones
    good = np.flatnonzero(last & (shares >= accuracy))
    return float(confidence[order[good[-1]]]) if len(good) else None


def fit_thresholds(
    probabilities: Array, labels: NDArray[np.integer[Any]], far: Array, accuracy: float
) -> Thresholds:
    """From when on to doubt, so that `accuracy` of what is believed is right.

    Args:
        probabilities: of validation images, (n, classes).
        labels: theirs, (n,).
        far: their distances, (n,).
        accuracy: export.target_accuracy.
    """
    right = probabilities.argmax(axis=1) == labels
    return Thresholds(
        confidence=confidence_threshold(probabilities.max(axis=1), right, accuracy),
        accuracy=accuracy,
        distance=float(np.quantile(far, IN_DISTRIBUTION_SHARE)),
    )


def evaluate_thresholds(
    trust: Thresholds, probabilities: Array, labels: NDArray[np.integer[Any]], far: Array
) -> dict[str, Any]:
    """What trust does on the test images: shares that are strangers, unsure and believed, and the
    accuracy of the believed; no accuracy where none is."""
    right = probabilities.argmax(axis=1) == labels
    pairs = zip(probabilities.max(axis=1), far, strict=True)
    doubts = np.array([prediction_flag(trust, float(p), float(d)) for p, d in pairs])
    believed = doubts == ""
    accuracy = {"accuracy": float(right[believed].mean())} if believed.any() else {}
    return {
        "confidence": trust.confidence,
        "distance": trust.distance,
        "test": {
            "strangers": float((doubts == OUT_OF_DISTRIBUTION).mean()),
            "unsure": float((doubts == LOW_CONFIDENCE).mean()),
            "believed": float(believed.mean()),
            **accuracy,
        },
    }
