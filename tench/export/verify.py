"""Compare the predictions of exported models with the scored ones of the Keras classifier."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from tench.core.errors import TenchError
from tench.core.parallel import map_in_threads
from tench.data.index import Row, row_labels
from tench.data.store.prepared_images import read_eval_image
from tench.deploy.runtime.backends import RunModel
from tench.run.progress import progress_bar

CHUNK_IMAGES = 256  # images in memory at a time: predictions are timed without reading images
TOLERANCE = 1e-4  # largest difference of a probability between float models
FLOAT_MODELS = ("float32", "onnx")
MIN_COUNTABLE_LOSSES = 5  # images: below that, a loss of accuracy is tested for significance
SIGNIFICANCE_LEVEL = 0.05

Array = NDArray[np.float32]


class ModelComparison(NamedTuple):
    """Comparison of an exported model with the Keras classifier, on the same images."""

    accuracy: float
    max_difference: float  # largest absolute difference of a probability
    accuracy_drop: float
    net_errors: int  # errors of the exported model minus errors of the Keras classifier
    images: int


def predict_rows(
    rows: Sequence[Row], run_model: RunModel, label: str, seconds: list[float] | None = None
) -> tuple[Array, Array]:
    """Predict prepared images.

    Args:
        rows: Rows of the index.
        run_model: An exported classifier.
        label: Label of the progress bar.
        seconds: List to append the prediction time of each chunk to, without reading its images.

    Returns:
        Probabilities (rows, classes) and pooled features (rows, channels).
    """
    outputs: list[tuple[Array, Array]] = []
    with progress_bar(None, label, len(rows), delay=1) as bar:
        for start in range(0, len(rows), CHUNK_IMAGES):
            images = list(map_in_threads(read_eval_image, rows[start : start + CHUNK_IMAGES]))
            started = time.perf_counter()
            results = map_in_threads(run_model, images)
            outputs += [(result.probabilities, result.pooled) for result in results]
            if seconds is not None:
                seconds.append(time.perf_counter() - started)
            bar.update(len(images))
    probabilities, pooled = zip(*outputs, strict=True)
    return np.stack(probabilities), np.stack(pooled)


def compare_with_keras(predicted: Array, scored: Array, rows: Sequence[Row]) -> ModelComparison:
    """Compare predicted with scored probabilities of `rows`; both (rows, classes)."""
    labels = row_labels(rows)
    correct, scored_correct = predicted.argmax(axis=1) == labels, scored.argmax(axis=1) == labels
    return ModelComparison(
        accuracy=float(correct.mean()),
        max_difference=float(np.abs(predicted - scored).max()),
        accuracy_drop=float(scored_correct.mean() - correct.mean()),
        net_errors=int(scored_correct.sum() - correct.sum()),
        images=len(rows),
    )


def check_models(comparisons: Mapping[str, ModelComparison], max_accuracy_drop: float) -> None:
    """Check that exported models predict as the Keras classifier was scored.

    Args:
        comparisons: Comparison of each model, by name. Float models may differ by TOLERANCE.
        max_accuracy_drop: Accuracy that the int8 model may lose.

    Raises:
        TenchError: A model differs more.
    """
    for name, comparison in comparisons.items():
        result = (
            f"{name}: accuracy {comparison.accuracy:.4f}, {comparison.accuracy_drop:.4f} less than "
            f"Keras ({comparison.net_errors} images), largest difference of a probability "
            f"{comparison.max_difference:.2g}"
        )
        if name in FLOAT_MODELS and not comparison.max_difference <= TOLERANCE:
            raise TenchError(
                f"{result}, more than {TOLERANCE}: its predictions differ from the scored ones. "
                "Report it with the backbone's name"
            )
        if name not in FLOAT_MODELS and exceeds_accuracy_drop(comparison, max_accuracy_drop):
            raise TenchError(
                f"{result}, more than export.max_accuracy_drop = {max_accuracy_drop}: raise it, or "
                "try another backbone. The float models are as accurate as the classifier"
            )


def exceeds_accuracy_drop(comparison: ModelComparison, max_accuracy_drop: float) -> bool:
    """Whether a model loses more accuracy than allowed.

    If the allowed drop is fewer than MIN_COUNTABLE_LOSSES test images, a single image can exceed it
    by chance. Then the drop must also be significant (one-sided binomial test).
    """
    drop = comparison.accuracy_drop
    if drop <= max_accuracy_drop or max_accuracy_drop * comparison.images >= MIN_COUNTABLE_LOSSES:
        return drop > max_accuracy_drop
    test = binomtest(
        comparison.net_errors, comparison.images, max_accuracy_drop, alternative="greater"
    )
    return bool(test.pvalue < SIGNIFICANCE_LEVEL)


def model_metrics(comparison: ModelComparison, size: int) -> dict[str, Any]:
    """Entry of metrics/export.json for a model of `size` bytes."""
    return {
        "accuracy": comparison.accuracy,
        "difference": comparison.max_difference,
        "bytes": size,
    }
