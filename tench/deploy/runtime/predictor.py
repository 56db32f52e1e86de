"""Predict images with an exported classifier, and flag unreliable predictions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.data.decode.resize import RGB, resize
from tench.data.heat_map import overlay_heat_map
from tench.deploy.runtime import backends
from tench.deploy.runtime.backends import RunModel
from tench.deploy.runtime.export_folder import (
    MODEL_FILES,
    ExportedClassifier,
    Thresholds,
    verified_file,
)
from tench.deploy.runtime.neighbors import (
    Neighbor,
    ReferenceSet,
    find_neighbors,
    read_reference_set,
)

LOW_CONFIDENCE = "low_confidence"
OUT_OF_DISTRIBUTION = "out_of_distribution"
NEAREST_SHOWN = 4  # nearest training images of a prediction


class Prediction(NamedTuple):
    """Prediction for one image."""

    classes: list[tuple[str, float]]  # with probabilities, most likely first
    nearest: list[Neighbor]  # nearest first
    flag: str  # LOW_CONFIDENCE, OUT_OF_DISTRIBUTION or empty
    image: RGB  # resized to the model's input
    heat_map: NDArray[np.float32]  # (h, w) in 0 to 1, Grad-CAM of the predicted class

    @property
    def distance(self) -> float:
        """Distance to the nearest training image, 0 to 2."""
        return self.nearest[0].distance


class Classifier(NamedTuple):
    """An open classifier."""

    exported: ExportedClassifier
    run_model: RunModel
    reference_set: ReferenceSet


@contextmanager
def open_classifier(exported: ExportedClassifier, runtime: str) -> Iterator[Classifier]:
    """Open a classifier with one of RUNTIMES.

    Raises:
        TenchError: A file is missing or damaged, or the files do not match each other.
    """
    file = verified_file(exported, MODEL_FILES[runtime])
    with backends.open_runtime(runtime, file) as run_model:
        classifier = Classifier(exported, run_model, read_reference_set(exported))
        with backends.report_invalid_file(file):
            check_output_shapes(classifier)
        yield classifier


def check_output_shapes(classifier: Classifier) -> None:
    """Check the outputs for a black image against the description and the reference set.

    Raises:
        ValueError: Their shapes differ.
    """
    size, classes = classifier.exported.image_size, len(classifier.exported.classes)
    output = classifier.run_model(np.zeros((size, size, 3), np.uint8))
    channels = classifier.reference_set.features.shape[1]
    expected = ((classes,), (channels,), (*output.heat.shape[:2], classes))
    shapes = tuple(array.shape for array in output)
    if shapes != expected or not len(classifier.reference_set.rows):
        raise ValueError("its outputs have other shapes than the files beside it describe")


def prediction_flag(thresholds: Thresholds, probability: float, distance: float) -> str:
    """Flag of a prediction: OUT_OF_DISTRIBUTION, LOW_CONFIDENCE or empty."""
    if distance > thresholds.distance:
        return OUT_OF_DISTRIBUTION
    if thresholds.confidence is None or probability < thresholds.confidence:
        return LOW_CONFIDENCE
    return ""


def class_heat_map(heat: NDArray[np.float32], class_index: int) -> NDArray[np.float32]:
    """Grad-CAM of one class, (h, w), scaled to a maximum of 1; all zeros if nothing is positive.

    Args:
        heat: Output of the model, (h, w, classes).
        class_index: Index of the class.
    """
    positive = np.maximum(heat[..., class_index], 0)
    maximum = positive.max()
    return np.asarray(positive / maximum if maximum > 0 else positive, np.float32)


def predict_image(classifier: Classifier, image: Image.Image) -> Prediction:
    """Predict an upright 8-bit RGB image, as `read_image` returns it."""
    exported = classifier.exported
    resized = np.asarray(resize(image, exported.image_size, exported.resize))
    output = classifier.run_model(resized)
    order = np.argsort(-output.probabilities, kind="stable")
    classes = [(exported.classes[n], float(output.probabilities[n])) for n in order]
    nearest = find_neighbors(classifier.reference_set, output.pooled, NEAREST_SHOWN)
    return Prediction(
        classes=classes,
        nearest=nearest,
        flag=prediction_flag(exported.thresholds, classes[0][1], nearest[0].distance),
        image=resized,
        heat_map=class_heat_map(output.heat, int(order[0])),
    )


def draw_explanation(prediction: Prediction) -> Image.Image:
    """Draw the model's input beside the same image with the Grad-CAM overlay."""
    return overlay_heat_map(prediction.image, prediction.heat_map)
