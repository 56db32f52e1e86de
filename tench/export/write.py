"""Write the models of an export, and predict the test images with each in its own runtime."""

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
    """Predictions of a model for the test images."""

    probabilities: Array  # (images, classes)
    pooled: Array  # (images, channels)
    images_per_second: float  # on all cores, without reading images


def write_models(
    classifier: Any, train: Sequence[Row], description: Mapping[str, Any], folder: Path
) -> None:
    """Write all of MODEL_FILES.

    Args:
        classifier: The Keras model in CLASSIFIER.
        train: Training rows; some calibrate the quantization.
        description: Metadata of every model.
        folder: The export folder.
    """
    calibration_images = [
        read_eval_image(row) for row in evenly_spaced_rows(train, CALIBRATION_IMAGES)
    ]
    float32 = add_litert_metadata(export_litert(classifier), description)
    contents = {
        "float32": float32,
        "int8": quantize_int8(float32, classifier, calibration_images),
        "onnx": export_onnx(classifier, description),
    }
    for name, content in contents.items():
        (folder / MODEL_FILES[name]).write_bytes(content)
    export_keras(CLASSIFIER, description, folder / MODEL_FILES["keras"])


def predict_with_models(test: Sequence[Row], folder: Path) -> dict[str, ModelPredictions]:
    """Predict the test images with every model in RUNTIMES, each in its own runtime."""
    predictions = {}
    for name in RUNTIMES:
        seconds: list[float] = []
        with open_runtime(name, folder / MODEL_FILES[name]) as run_model:
            outputs = predict_rows(test, run_model, f"export {name}", seconds)
        predictions[name] = ModelPredictions(*outputs, len(test) / sum(seconds))
    return predictions
