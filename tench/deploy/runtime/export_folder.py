"""The folder of an exported classifier: what its files are, what it wants and what it says."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from tench.core.errors import TenchError
from tench.core.files import file_sha256, read_json
from tench.core.names import (
    MAX_IMAGE_SIZE,
    MIN_IMAGE_SIZE,
    ResizeMode,
    validate_class_name,
)

FORMAT_VERSION = 2  # of DESCRIPTION; another number means another way to read it
DESCRIPTION_FILE = "model.json"
MODEL_FILES = {
    "float32": "float32.tflite",
    "int8": "int8.tflite",
    "onnx": "model.onnx",
    "keras": "classifier.keras",
}
RUNTIMES = ("float32", "int8", "onnx")  # what can be asked here; keras is for Keras
REFERENCE_FEATURES_FILE = "neighbors.npy"  # unit vectors, float16 (images, channels)
REFERENCE_ROWS_FILE = "neighbors.csv"  # path and class of each
REFERENCE_IMAGES_FILE = "neighbors.zip"  # a small image of each, ROW.webp
RESTORE_HINT = (
    "copy the whole folder again, or delete it and run `dvc repro export`; if that brings the same "
    "back, DVC's cache is damaged (docs/faults.md)"
)


class Thresholds(NamedTuple):
    """From when on an answer is to be doubted; both figures are from validation images."""

    confidence: float | None  # from it on `accuracy` of them are right; None: none is enough
    accuracy: float
    distance: float  # 99 of 100 lie no farther from the training images


class ExportedClassifier(NamedTuple):
    """An exported classifier."""

    folder: Path
    classes: tuple[str, ...]  # in the order of the probabilities
    image_size: int
    resize: ResizeMode
    thresholds: Thresholds
    digests: Mapping[str, str]  # SHA-256 of every file but DESCRIPTION, by name


def description_digest(description: Mapping[str, Any]) -> str:
    """SHA-256 of what DESCRIPTION holds beside it, as JSON with sorted keys."""
    rest = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def parse_description(folder: Path, description: Mapping[str, Any]) -> ExportedClassifier:
    """An exported classifier by what DESCRIPTION holds, which may be anybody's. KeyError, TypeError
    or ValueError if it is something else."""
    image, trust = description["image"], description["trust"]
    confidence, size, resize = trust["confidence"], int(image["size"]), image["resize"]
    if not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE or resize not in get_args(ResizeMode):
        raise ValueError
    return ExportedClassifier(
        folder=folder,
        classes=tuple(validate_class_name(str(name)) for name in description["classes"]),
        image_size=size,
        resize=resize,
        thresholds=Thresholds(
            None if confidence is None else float(confidence),
            float(trust["accuracy"]),
            float(trust["distance"]),
        ),
        digests={name: one["sha256"] for name, one in description["files"].items()},
    )


def read_export(folder: Path) -> ExportedClassifier:
    """The exported classifier in a folder. Raises TenchError if there is none that can be read."""
    file = folder / DESCRIPTION_FILE
    try:
        if not file.is_file():
            raise FileNotFoundError
        description = read_json(file)
        if description["format"] != FORMAT_VERSION:
            raise TenchError(
                f"{file}: format {description['format']}, but this Tench reads {FORMAT_VERSION}: use the "
                "version that wrote it, or export again"
            )
        if description["sha256"] != description_digest(description):
            raise ValueError
        return parse_description(folder, description)
    except (FileNotFoundError, NotADirectoryError):
        raise TenchError(
            f"{folder}: no exported classifier there ({DESCRIPTION_FILE} is missing): run `dvc repro "
            "export`, or name the folder of one with --model"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TenchError(f"{file}: damaged: not what was written; {RESTORE_HINT}") from None


def verified_file(classifier: ExportedClassifier, name: str) -> Path:
    """A file of the folder, once its bytes are seen to be those that were written.

    Raises:
        TenchError: they are others, or there is no such file.
    """
    file = classifier.folder / name
    if name not in classifier.digests or not file.is_file():
        raise TenchError(f"{file}: no such file in this export; {RESTORE_HINT}")
    if file_sha256(file) != classifier.digests[name]:
        raise TenchError(f"{file}: damaged: not the bytes that were written; {RESTORE_HINT}")
    return file


def invalid_file_error(file: Path, reason: object) -> TenchError:
    """The error that a file, whose bytes are those that were written, is not of an export."""
    return TenchError(f"{file}: not what Tench exports: {' '.join(str(reason).split())}")
