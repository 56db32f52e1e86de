"""All models of an export: writing them, and asking each by its own runtime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tench.core.paths import CLASSIFIER
from tench.exported.folder import MODELS, RUNTIMES
from tench.exported.runtimes import runtime
from tench.exporting.formats import to_int8, to_keras, to_litert, to_onnx, with_metadata
from tench.exporting.scoring import Array, said_of
from tench.pictures.asked import CALIBRATED, some
from tench.pictures.checked import read_asked
from tench.pictures.index import Row


class Asked(NamedTuple):
    """What a model says of the test pictures."""

    probabilities: Array
    pooled: Array
    speed: float  # pictures/s on all cores, without reading them


def write_models(
    classifier: Any, train: Sequence[Row], description: Mapping[str, Any], folder: Path
) -> None:
    """Write all of MODELS into a folder.

    Args:
        classifier: assembled, as CLASSIFIER holds it.
        train: the training pictures.
        description: for the models' metadata.
        folder: of the export.
    """
    few = [read_asked(row) for row in some(train, CALIBRATED)]
    floats = with_metadata(to_litert(classifier), description)
    contents = {
        "float32": floats,
        "int8": to_int8(floats, classifier, few),
        "onnx": to_onnx(classifier, description),
    }
    for name, content in contents.items():
        (folder / MODELS[name]).write_bytes(content)
    to_keras(CLASSIFIER, description, folder / MODELS["keras"])


def ask_models(test: Sequence[Row], folder: Path) -> dict[str, Asked]:
    """What every model of RUNTIMES says of the test pictures."""
    asked = {}
    for name in RUNTIMES:
        seconds: list[float] = []
        with runtime(name, folder / MODELS[name]) as ask:
            said = said_of(test, ask, f"export {name}", seconds)
        asked[name] = Asked(*said, len(test) / sum(seconds))
    return asked
