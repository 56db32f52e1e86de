"""What an exported classifier says of prepared images, and whether that is what was scored."""

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

CHUNK_IMAGES = 256  # images held at a time, so that asking can be timed without reading
TOLERANCE = 1e-4  # of a probability in floats
FLOAT_MODELS = ("float32", "onnx")
MIN_COUNTABLE_LOSSES = (
    5  # images: what may be lost can be counted where it is so many, and else is tested
)
SIGNIFICANCE_LEVEL = 0.05

Array = NDArray[np.float32]


class ModelComparison(NamedTuple):
    """A model against the classifier in Keras, on the same images."""

    accuracy: float
    difference: float  # the largest of any probability
    drop: float  # of accuracy
    lost: int  # images that it names wrongly and Keras rightly, less those the other way round
    images: int


def predict_rows(
    rows: Sequence[Row], ask: RunModel, label: str, seconds: list[float] | None = None
) -> tuple[Array, Array]:
    """The probabilities (rows, classes) and the pooled features (rows, channels) of images.

    Args:
        rows: of the index.
        ask: an exported classifier.
        label: of the progress bar.
        seconds: to which is appended how long each chunk took, without reading its images.
    """
    said = []
    with progress_bar(None, label, len(rows), delay=1) as bar:
        for start in range(0, len(rows), CHUNK_IMAGES):
            images = list(map_in_threads(read_eval_image, rows[start : start + CHUNK_IMAGES]))
            before = time.perf_counter()
            some = [(one.probabilities, one.pooled) for one in map_in_threads(ask, images)]
            if seconds is not None:
                seconds.append(time.perf_counter() - before)
            said += some
            bar.update(len(images))
    probabilities, pooled = zip(*said, strict=True)
    return np.stack(probabilities), np.stack(pooled)


def compare_with_keras(said: Array, scored: Array, rows: Sequence[Row]) -> ModelComparison:
    """What a model says of `rows` against what was scored; both (rows, classes)."""
    right, before = (one.argmax(axis=1) == row_labels(rows) for one in (said, scored))
    return ModelComparison(
        accuracy=float(right.mean()),
        difference=float(np.abs(said - scored).max()),
        drop=float(before.mean() - right.mean()),
        lost=int(before.sum() - right.sum()),
        images=len(rows),
    )


def check_models(compared: Mapping[str, ModelComparison], max_accuracy_drop: float) -> None:
    """Raise TenchError with the figures if a model is not what was scored.

    A model in floats must agree to TOLERANCE; one in 8 bits may lose `max_accuracy_drop` of the accuracy.
    """
    for name, one in compared.items():
        figures = (
            f"{name}: accuracy {one.accuracy:.4f}, {one.drop:.4f} less than in Keras ({one.lost} "
            f"images), largest difference of a probability {one.difference:.2g}"
        )
        if name in FLOAT_MODELS and not one.difference <= TOLERANCE:
            raise TenchError(
                f"{figures}, more than {TOLERANCE}: it would not answer as it was scored. Report "
                "it with the backbone's name"
            )
        if name not in FLOAT_MODELS and exceeds_accuracy_drop(one, max_accuracy_drop):
            raise TenchError(
                f"{figures}, more than export.max_accuracy_drop = {max_accuracy_drop}: raise it, or try another "
                "backbone; the models in floats are as good as the classifier"
            )


def exceeds_accuracy_drop(one: ModelComparison, max_accuracy_drop: float) -> bool:
    """Whether a model loses more accuracy than `max_accuracy_drop`.

    Where that is fewer than COUNTED of the test images, one of them more or less is luck: then
    only if a model that loses `max_accuracy_drop` of all images there are would seldom lose so many of
    these (one-sided binomial test).
    """
    if one.drop <= max_accuracy_drop or max_accuracy_drop * one.images >= MIN_COUNTABLE_LOSSES:
        return one.drop > max_accuracy_drop
    chance = binomtest(one.lost, one.images, max_accuracy_drop, alternative="greater").pvalue
    return bool(chance < SIGNIFICANCE_LEVEL)


def model_metrics(one: ModelComparison, size: int) -> dict[str, Any]:
    """What metrics/export.json holds of a model of `size` bytes."""
    return {"accuracy": one.accuracy, "difference": one.difference, "bytes": size}
