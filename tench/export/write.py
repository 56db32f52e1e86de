"""All models of an export: writing them, and asking each by its own runtime."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tench.core.paths import CLASSIFIER
from tench.data.index import Row
from tench.data.split.eval_subset import CALIBRATION_IMAGES, evenly_spaced_rows
from tench.data.store.prepared_images import read_eval_image
from tench.deploy.runtime.backends import open_runtime
from tench.deploy.runtime.export_folder import MODEL_FILES, RUNTIMES
from tench.export.formats import (
    add_litert_metadata,
    export_keras,
    export_litert,
    export_onnx,
    quantize_int8,
)
from tench.export.verify import Array, predict_rows


class ModelPredictions(NamedTuple):
    """What a model says of the test images."""

    probabilities: Array
    pooled: Array
    speed: float  # images/s on all cores, without reading them


def write_models(
    classifier: Any, train: Sequence[Row], description: Mapping[str, Any], folder: Path
) -> None:
    """Write all of MODELS into a folder.

    Args:
        classifier: assembled, as CLASSIFIER holds it.
        train: the training images.
        description: for the models' metadata.
        folder: of the export.
    """
    few = [read_eval_image(row) for row in evenly_spaced_rows(train, CALIBRATION_IMAGES)]
    floats = add_litert_metadata(export_litert(classifier), description)
    contents = {
        "float32": floats,
        "int8": quantize_int8(floats, classifier, few),
        "onnx": export_onnx(classifier, description),
    }
    for name, content in contents.items():
        (folder / MODEL_FILES[name]).write_bytes(content)
    export_keras(CLASSIFIER, description, folder / MODEL_FILES["keras"])


def predict_with_models(test: Sequence[Row], folder: Path) -> dict[str, ModelPredictions]:
    """What every model of RUNTIMES says of the test images."""
    asked = {}
    for name in RUNTIMES:
        seconds: list[float] = []
        with open_runtime(name, folder / MODEL_FILES[name]) as ask:
            said = predict_rows(test, ask, f"export {name}", seconds)
        asked[name] = ModelPredictions(*said, len(test) / sum(seconds))
    return asked
