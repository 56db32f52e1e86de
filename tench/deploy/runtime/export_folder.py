"""The export folder: its files, its description (model.json) and its verification."""

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

FORMAT_VERSION = 3  # of model.json; other versions are refused
DESCRIPTION_FILE = "model.json"
MODEL_FILES = {
    "float32": "float32.tflite",
    "int8": "int8.tflite",
    "onnx": "model.onnx",
    "keras": "classifier.keras",
}
RUNTIMES = ("float32", "int8", "onnx")  # models that predict and serve can run
REFERENCE_FEATURES_FILE = "neighbors.npy"  # unit vectors, float16 (images, channels)
REFERENCE_ROWS_FILE = "neighbors.csv"  # path and class of each reference image
REFERENCE_IMAGES_FILE = "neighbors.zip"  # a thumbnail of each: ROW.webp
RESTORE_HINT = (
    "copy the whole folder again, or delete it and run `dvc repro export`. If the error remains, "
    "DVC's cache is damaged (docs/faults.md)"
)


class Thresholds(NamedTuple):
    """Thresholds of the prediction flags, fit on validation images."""

    confidence: float | None  # lowest one that reaches `accuracy`; None: no confidence does
    accuracy: float  # export.target_accuracy
    distance: float  # to the nearest reference image; 99 % of validation images are within it


class ExportedClassifier(NamedTuple):
    """Description of an exported classifier."""

    folder: Path
    classes: tuple[str, ...]  # in the order of the probabilities
    image_size: int
    resize: ResizeMode
    thresholds: Thresholds
    digests: Mapping[str, str]  # SHA-256 of every other file, by name


def description_digest(description: Mapping[str, Any]) -> str:
    """SHA-256 of a description without its own digest, as JSON with sorted keys."""
    rest = {key: value for key, value in description.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def parse_description(folder: Path, description: Mapping[str, Any]) -> ExportedClassifier:
    """Parse the content of model.json, which may come from an untrusted source.

    Raises:
        KeyError, TypeError, ValueError: It is not a description.
    """
    image, thresholds = description["image"], description["thresholds"]
    confidence, size, resize = thresholds["confidence"], int(image["size"]), image["resize"]
    if not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE or resize not in get_args(ResizeMode):
        raise ValueError
    return ExportedClassifier(
        folder=folder,
        classes=tuple(validate_class_name(str(name)) for name in description["classes"]),
        image_size=size,
        resize=resize,
        thresholds=Thresholds(
            None if confidence is None else float(confidence),
            float(thresholds["accuracy"]),
            float(thresholds["distance"]),
        ),
        digests={name: file["sha256"] for name, file in description["files"].items()},
    )


def read_export(folder: Path) -> ExportedClassifier:
    """Read the description of the exported classifier in a folder.

    Raises:
        TenchError: It is missing, damaged or of another format.
    """
    file = folder / DESCRIPTION_FILE
    try:
        if not file.is_file():
            raise FileNotFoundError
        description = read_json(file)
        if description["format"] != FORMAT_VERSION:
            raise TenchError(
                f"{file}: format {description['format']}, but this version of Tench reads format "
                f"{FORMAT_VERSION}: run `dvc repro export` again, or use the version that wrote it"
            )
        if description["sha256"] != description_digest(description):
            raise ValueError
        return parse_description(folder, description)
    except (FileNotFoundError, NotADirectoryError):
        raise TenchError(
            f"{folder}: no exported classifier there ({DESCRIPTION_FILE} is missing). Run "
            "`dvc repro export`, or pass its folder with --model"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise TenchError(
            f"{file}: damaged (its content has changed since the export): {RESTORE_HINT}"
        ) from None


def verified_file(classifier: ExportedClassifier, name: str) -> Path:
    """Path of a file in the export folder, after checking its digest.

    Raises:
        TenchError: The file is missing or damaged.
    """
    file = classifier.folder / name
    if name not in classifier.digests or not file.is_file():
        raise TenchError(f"{file}: no such file in this export: {RESTORE_HINT}")
    if file_sha256(file) != classifier.digests[name]:
        raise TenchError(
            f"{file}: damaged (its content has changed since the export): {RESTORE_HINT}"
        )
    return file


def invalid_file_error(file: Path, reason: object) -> TenchError:
    """Error for a file that is intact but was not exported by Tench."""
    return TenchError(f"{file}: not a file exported by Tench: {' '.join(str(reason).split())}")
