"""What an exported classifier answers, and whether to believe it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.exported import runtimes
from tench.exported.folder import MODELS, Exported, Trust, checked
from tench.exported.neighbours import Neighbour, Neighbours, nearest, read_neighbours
from tench.exported.runtimes import Ask
from tench.pictures.overlay import overlay
from tench.pictures.prepared import RGB, resize

UNSURE = "unsure"
STRANGER = "stranger"
SHOWN = 4  # nearest training pictures


class Answer(NamedTuple):
    """What a classifier answers about one picture."""

    classes: list[tuple[str, float]]  # with their probabilities, the likeliest first
    nearest: list[Neighbour]
    doubt: str  # why not to believe it: UNSURE, STRANGER or nothing
    picture: RGB  # as the network saw it
    heat: NDArray[np.float32]  # (h, w) in 0 ... 1, where it found the likeliest class

    @property
    def distance(self) -> float:
        """To the nearest training picture, 0 ... 2."""
        return self.nearest[0].distance


class Classifier(NamedTuple):
    """An exported classifier, opened."""

    exported: Exported
    ask: Ask
    neighbours: Neighbours


@contextmanager
def open_classifier(exported: Exported, runtime: str) -> Iterator[Classifier]:
    """The classifier on one of RUNTIMES. Raises TenchError if a file is damaged or missing, or they
    do not belong together."""
    file = checked(exported, MODELS[runtime])
    with runtimes.runtime(runtime, file) as ask:
        classifier = Classifier(exported, ask, read_neighbours(exported))
        with runtimes.foreign(file):
            check(classifier)
        yield classifier


def check(classifier: Classifier) -> None:
    """Ask about a black picture; ValueError if the answer has other shapes than the description and
    the training pictures."""
    size, classes = classifier.exported.image_size, len(classifier.exported.classes)
    said = classifier.ask(np.zeros((size, size, 3), np.uint8))
    channels = classifier.neighbours.features.shape[1]
    wanted = ((classes,), (channels,), (*said.heat.shape[:2], classes))
    if tuple(one.shape for one in said) != wanted or not len(classifier.neighbours.rows):
        raise ValueError("its answers have other shapes than the files beside it")


def doubt(trust: Trust, probability: float, distance: float) -> str:
    """Why not to believe an answer: STRANGER, UNSURE or nothing."""
    if distance > trust.distance:
        return STRANGER
    return UNSURE if trust.confidence is None or probability < trust.confidence else ""


def heat_map(heat: NDArray[np.float32], place: int) -> NDArray[np.float32]:
    """Grad-CAM of one class, (h, w) in 0 ... 1, the strongest place 1; 0 if nothing speaks for it.

    Args:
        heat: (h, w, classes), as exported classifiers put it out.
        place: of the class.
    """
    positive = np.maximum(heat[..., place], 0)
    strongest = positive.max()
    return np.asarray(positive / strongest if strongest > 0 else positive, np.float32)


def answer(classifier: Classifier, picture: Image.Image) -> Answer:
    """What the classifier answers about an upright 8-bit RGB picture, as of read_picture."""
    exported = classifier.exported
    small = np.asarray(resize(picture, exported.image_size, exported.resize))
    said = classifier.ask(small)
    order = np.argsort(-said.probabilities, kind="stable")
    classes = [(exported.classes[n], float(said.probabilities[n])) for n in order]
    near = nearest(classifier.neighbours, said.pooled, SHOWN)
    return Answer(
        classes=classes,
        nearest=near,
        doubt=doubt(exported.trust, classes[0][1], near[0].distance),
        picture=small,
        heat=heat_map(said.heat, int(order[0])),
    )


def explanation(one: Answer) -> Image.Image:
    """The picture as the network saw it, beside it where it found the likeliest class."""
    return overlay(one.picture, one.heat)
