"""What an exported classifier answers, and whether to believe it."""

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

LOW_CONFIDENCE = "unsure"
OUT_OF_DISTRIBUTION = "stranger"
NEAREST_SHOWN = 4  # nearest training images


class Prediction(NamedTuple):
    """What a classifier answers about one image."""

    classes: list[tuple[str, float]]  # with their probabilities, the likeliest first
    nearest: list[Neighbor]
    flag: str  # why not to believe it: UNSURE, STRANGER or nothing
    image: RGB  # as the network saw it
    heat: NDArray[np.float32]  # (h, w) in 0 ... 1, where it found the likeliest class

    @property
    def distance(self) -> float:
        """To the nearest training image, 0 ... 2."""
        return self.nearest[0].distance


class Classifier(NamedTuple):
    """An exported classifier, opened."""

    exported: ExportedClassifier
    run_model: RunModel
    neighbors: ReferenceSet


@contextmanager
def open_classifier(exported: ExportedClassifier, runtime: str) -> Iterator[Classifier]:
    """The classifier on one of RUNTIMES. Raises TenchError if a file is damaged or missing, or they
    do not belong together."""
    file = verified_file(exported, MODEL_FILES[runtime])
    with backends.open_runtime(runtime, file) as ask:
        classifier = Classifier(exported, ask, read_reference_set(exported))
        with backends.report_invalid_file(file):
            check_output_shapes(classifier)
        yield classifier


def check_output_shapes(classifier: Classifier) -> None:
    """Ask about a black image; ValueError if the answer has other shapes than the description and
    the training images."""
    size, classes = classifier.exported.image_size, len(classifier.exported.classes)
    said = classifier.run_model(np.zeros((size, size, 3), np.uint8))
    channels = classifier.neighbors.features.shape[1]
    wanted = ((classes,), (channels,), (*said.heat.shape[:2], classes))
    if tuple(one.shape for one in said) != wanted or not len(classifier.neighbors.rows):
        raise ValueError("its answers have other shapes than the files beside it")


def prediction_flag(trust: Thresholds, probability: float, distance: float) -> str:
    """Why not to believe an answer: STRANGER, UNSURE or nothing."""
    if distance > trust.distance:
        return OUT_OF_DISTRIBUTION
    return LOW_CONFIDENCE if trust.confidence is None or probability < trust.confidence else ""


def class_heat_map(heat: NDArray[np.float32], place: int) -> NDArray[np.float32]:
    """Grad-CAM of one class, (h, w) in 0 ... 1, the strongest place 1; 0 if nothing speaks for it.

    Args:
        heat: (h, w, classes), as exported classifiers put it out.
        place: of the class.
    """
    positive = np.maximum(heat[..., place], 0)
    strongest = positive.max()
    return np.asarray(positive / strongest if strongest > 0 else positive, np.float32)


def predict_image(classifier: Classifier, image: Image.Image) -> Prediction:
    """What the classifier answers about an upright 8-bit RGB image, as of read_image."""
    exported = classifier.exported
    small = np.asarray(resize(image, exported.image_size, exported.resize))
    said = classifier.run_model(small)
    order = np.argsort(-said.probabilities, kind="stable")
    classes = [(exported.classes[n], float(said.probabilities[n])) for n in order]
    near = find_neighbors(classifier.neighbors, said.pooled, NEAREST_SHOWN)
    return Prediction(
        classes=classes,
        nearest=near,
        flag=prediction_flag(exported.thresholds, classes[0][1], near[0].distance),
        image=small,
        heat=class_heat_map(said.heat, int(order[0])),
    )


def draw_explanation(one: Prediction) -> Image.Image:
    """The image as the network saw it, beside it where it found the likeliest class."""
    return overlay_heat_map(one.image, one.heat)
