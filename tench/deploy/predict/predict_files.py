"""Predict one file, on this machine or on one that cannot read it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import UnreadableError
from tench.data.decode.raw_image import RawImage, decode_raw, load_content
from tench.deploy.predict.input_files import is_unreadable_folder
from tench.deploy.predict.output_rows import PredictionRow, prediction_row, rejected_row
from tench.deploy.runtime.bundle import open_classifier_from_files
from tench.deploy.runtime.export_folder import ExportedClassifier
from tench.deploy.runtime.predictor import (
    Classifier,
    draw_explanation,
    open_classifier,
    predict_image,
)

UNREADABLE_FOLDER = "a folder that cannot be read"


class PredictOptions(NamedTuple):
    """Options of a prediction."""

    min_confidence: float  # images below it are undecided
    explanations_folder: Path | None  # for Grad-CAM images


class FileRequest(NamedTuple):
    """A file to predict."""

    raw: RawImage
    number: int  # of the file, from 1: makes the names of Grad-CAM images unique


class FileResult(NamedTuple):
    """Result for a file."""

    row: PredictionRow
    explanation: bytes  # JPEG to write to `row.explanation`, or empty


def safe_file_stem(stem: str) -> str:
    """Replace special characters and shorten to 60 characters, for use in another file's name."""
    return re.sub(r"[^\w .()-]", "_", stem)[:60]


def load_request_content(request: FileRequest) -> FileRequest:
    """Add the file's content, or why it cannot be read, for a machine without the file."""
    try:
        check_is_file(request.raw.file)
        return request._replace(raw=load_content(request.raw))
    except UnreadableError as error:
        reason = str(error)
    except OSError as error:
        reason = system_error_reason(error)
    return request._replace(raw=request.raw._replace(reason=reason))


def check_is_file(path: Path) -> None:
    """Raise UnreadableError unless the path is a file."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path raises OSError for a name too long
        if is_unreadable_folder(path):
            raise UnreadableError(UNREADABLE_FOLDER)
        raise UnreadableError("not a file" if os.path.exists(path) else "no such file")  # noqa: PTH110


def system_error_reason(error: OSError) -> str:
    """Reason for an error of the operating system."""
    return f"cannot be opened: {(error.strerror or str(error)).lower()}"


def predict_file(
    classifier: Classifier, options: PredictOptions, request: FileRequest
) -> FileResult:
    """Predict a file."""
    path, content, reason = request.raw
    try:
        if content is None and not reason:
            check_is_file(path)
        prediction = predict_image(classifier, decode_raw(request.raw))
    except UnreadableError as error:
        return FileResult(rejected_row(path, str(error)), b"")
    except OSError as error:
        return FileResult(rejected_row(path, system_error_reason(error)), b"")
    if not options.explanations_folder:
        return FileResult(prediction_row(path, prediction, options.min_confidence, ""), b"")
    name = f"{request.number:06d}-{safe_file_stem(path.stem)}.jpg"
    file = options.explanations_folder / name
    out = BytesIO()
    draw_explanation(prediction).save(out, "JPEG", quality=88)
    row = prediction_row(path, prediction, options.min_confidence, str(file))
    return FileResult(row, out.getvalue())


@contextmanager
def open_local_predictor(
    exported: ExportedClassifier, runtime: str, options: PredictOptions
) -> Iterator[Callable[[FileRequest], FileResult]]:
    """Open a function that predicts a file, on this machine."""
    with open_classifier(exported, runtime) as classifier:
        yield partial(predict_file, classifier, options)


@contextmanager
def open_remote_predictor(
    files: Mapping[str, bytes], runtime: str, options: PredictOptions
) -> Iterator[Callable[[FileRequest], FileResult]]:
    """Open a function that predicts a file, on a machine without the export folder."""
    with open_classifier_from_files(files, runtime) as classifier:
        yield partial(predict_file, classifier, options)
