"""What is said of a file, on this machine or on one that does not see it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from tench.data.decode import raw_image as raws
from tench.data.decode.decoder import UnreadableError
from tench.data.decode.raw_image import RawImage, decode_raw
from tench.deploy.predict.input_files import is_closed
from tench.deploy.predict.output_rows import PredictionRow, prediction_row, rejected_row
from tench.deploy.runtime.bundle import open_classifier_from_files
from tench.deploy.runtime.export_folder import ExportedClassifier
from tench.deploy.runtime.predictor import (
    Classifier,
    draw_explanation,
    open_classifier,
    predict_image,
)

CLOSED = "a folder that cannot be read"


class PredictOptions(NamedTuple):
    """What is to be written of each image."""

    min_confidence: float
    explain: Path | None  # a folder for Grad-CAM images


def safe_file_stem(stem: str) -> str:
    """A file's name without its suffix, as a part of another's: 60 characters at most, marks and
    what is no text replaced."""
    return re.sub(r"[^\w .()-]", "_", stem)[:60]


class FileRequest(NamedTuple):
    """A file to be named."""

    raw: RawImage
    number: int


class FileResult(NamedTuple):
    """What is said of a file."""

    row: PredictionRow
    explanation: bytes  # a JPEG file for the path that the row has; empty if none


def load_request_content(asked: FileRequest) -> FileRequest:
    """The same with the file's content, for who does not see the file."""
    try:
        check_is_file(asked.raw.file)
        return asked._replace(raw=raws.load_content(asked.raw))
    except UnreadableError as error:
        reason = str(error)
    except OSError as error:
        reason = system_error_reason(error)
    return asked._replace(raw=asked.raw._replace(reason=reason))


def check_is_file(path: Path) -> None:
    """Raise UnreadableError if there is no such file, or it is a folder that cannot be read."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path raises OSError for a name too long
        there = os.path.exists(path)  # noqa: PTH110
        if is_closed(path):
            raise UnreadableError(CLOSED)
        raise UnreadableError("not a file" if there else "no such file")


def system_error_reason(error: OSError) -> str:
    """The reason that an error of the machine is."""
    return f"cannot be opened: {(error.strerror or str(error)).lower()}"


def predict_file(classifier: Classifier, wanted: PredictOptions, asked: FileRequest) -> FileResult:
    """What is said of a file."""
    path, content, reason = asked.raw
    try:
        if content is None and not reason:
            check_is_file(path)
        one = predict_image(classifier, decode_raw(asked.raw))
    except UnreadableError as error:
        return FileResult(rejected_row(path, str(error)), b"")
    except OSError as error:
        return FileResult(rejected_row(path, system_error_reason(error)), b"")
    if not wanted.explain:
        return FileResult(prediction_row(path, one, wanted.min_confidence, ""), b"")
    file = wanted.explain / f"{asked.number:06d}-{safe_file_stem(path.stem)}.jpg"
    shown = BytesIO()
    draw_explanation(one).save(shown, "JPEG", quality=88)
    return FileResult(prediction_row(path, one, wanted.min_confidence, str(file)), shown.getvalue())


@contextmanager
def open_local_predictor(
    exported: ExportedClassifier, runtime: str, wanted: PredictOptions
) -> Iterator[Callable[[FileRequest], FileResult]]:
    """What is to be asked about every file, on this machine."""
    with open_classifier(exported, runtime) as classifier:
        yield partial(predict_file, classifier, wanted)


@contextmanager
def open_remote_predictor(
    files: Mapping[str, bytes], runtime: str, wanted: PredictOptions
) -> Iterator[Callable[[FileRequest], FileResult]]:
    """The same on a machine that has nothing but these files."""
    with open_classifier_from_files(files, runtime) as classifier:
        yield partial(predict_file, classifier, wanted)
