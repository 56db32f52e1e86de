"""What an exported classifier says of prepared pictures, and whether that is what was scored."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from tench.console.progress import progress
from tench.core.errors import TenchError
from tench.core.parallel import in_threads
from tench.exported.runtimes import Ask
from tench.pictures.checked import read_asked
from tench.pictures.index import Row, labels_of

CHUNK = 256  # pictures held at a time, so that asking can be timed without reading
TOLERANCE = 1e-4  # of a probability in floats
FLOATS = ("float32", "onnx")
COUNTED = 5  # pictures: what may be lost can be counted where it is so many, and else is tested
LEVEL = 0.05

Array = NDArray[np.float32]


class Compared(NamedTuple):
    """A model against the classifier in Keras, on the same pictures."""

    accuracy: float
    difference: float  # the largest of any probability
    drop: float  # of accuracy
    lost: int  # pictures that it names wrongly and Keras rightly, less those the other way round
    pictures: int


def said_of(
    rows: Sequence[Row], ask: Ask, label: str, seconds: list[float] | None = None
) -> tuple[Array, Array]:
    """The probabilities (rows, classes) and the pooled features (rows, channels) of pictures.

    Args:
        rows: of the index.
        ask: an exported classifier.
        label: of the progress bar.
        seconds: to which is appended how long each chunk took, without reading its pictures.
    """
    said = []
    with progress(None, label, len(rows), delay=1) as bar:
        for start in range(0, len(rows), CHUNK):
            pictures = list(in_threads(read_asked, rows[start : start + CHUNK]))
            before = time.perf_counter()
            some = [(one.probabilities, one.pooled) for one in in_threads(ask, pictures)]
            if seconds is not None:
                seconds.append(time.perf_counter() - before)
            said += some
            bar.update(len(pictures))
    probabilities, pooled = zip(*said, strict=True)
    return np.stack(probabilities), np.stack(pooled)


def compare(said: Array, scored: Array, rows: Sequence[Row]) -> Compared:
    """What a model says of `rows` against what was scored; both (rows, classes)."""
    right, before = (one.argmax(axis=1) == labels_of(rows) for one in (said, scored))
    return Compared(
        accuracy=float(right.mean()),
        difference=float(np.abs(said - scored).max()),
        drop=float(before.mean() - right.mean()),
        lost=int(before.sum() - right.sum()),
        pictures=len(rows),
    )


def check(compared: Mapping[str, Compared], max_drop: float) -> None:
    """Raise TenchError with the figures if a model is not what was scored.

    A model in floats must agree to TOLERANCE; one in 8 bits may lose `max_drop` of the accuracy.
    """
    for name, one in compared.items():
        figures = (
            f"{name}: accuracy {one.accuracy:.4f}, {one.drop:.4f} less than in Keras ({one.lost} "
            f"pictures), largest difference of a probability {one.difference:.2g}"
        )
        if name in FLOATS and not one.difference <= TOLERANCE:
            raise TenchError(
                f"{figures}, more than {TOLERANCE}: it would not answer as it was scored. Report "
                "it with the backbone's name"
            )
        if name not in FLOATS and loses_more(one, max_drop):
            raise TenchError(
                f"{figures}, more than export.max_drop = {max_drop}: raise it, or try another "
                "backbone; the models in floats are as good as the classifier"
            )


def loses_more(one: Compared, max_drop: float) -> bool:
    """Whether a model loses more accuracy than `max_drop`.

    Where that is fewer than COUNTED of the test pictures, one of them more or less is luck: then
    only if a model that loses `max_drop` of all pictures there are would seldom lose so many of
    these (one-sided binomial test).
    """
    if one.drop <= max_drop or max_drop * one.pictures >= COUNTED:
        return one.drop > max_drop
    chance = binomtest(one.lost, one.pictures, max_drop, alternative="greater").pvalue
    return bool(chance < LEVEL)


def figures(one: Compared, size: int) -> dict[str, Any]:
    """What metrics/export.json holds of a model of `size` bytes."""
    return {"accuracy": one.accuracy, "difference": one.difference, "bytes": size}
