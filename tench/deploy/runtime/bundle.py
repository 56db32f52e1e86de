"""An exported classifier as bytes, which can be opened where its folder is not."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tench.deploy.runtime.export_folder import (
    DESCRIPTION_FILE,
    MODEL_FILES,
    REFERENCE_FEATURES_FILE,
    REFERENCE_ROWS_FILE,
    ExportedClassifier,
    read_export,
    verified_file,
)
from tench.deploy.runtime.predictor import Classifier, open_classifier


def read_export_files(exported: ExportedClassifier, runtime: str) -> dict[str, bytes]:
    """The files, by name, that one of RUNTIMES needs. Raises TenchError if one is damaged or
    missing."""
    needed = [
        verified_file(exported, name)
        for name in (MODEL_FILES[runtime], REFERENCE_FEATURES_FILE, REFERENCE_ROWS_FILE)
    ]
    files = [exported.folder / DESCRIPTION_FILE, *needed]
    return {file.name: file.read_bytes() for file in files}


@contextmanager
def open_classifier_from_files(files: Mapping[str, bytes], runtime: str) -> Iterator[Classifier]:
    """The classifier that `packed` gave, as `open_classifier` gives it."""
    with ExitStack() as opened:
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            there = open_classifier(read_export(Path(folder)), runtime)
            classifier = opened.enter_context(there)
        yield classifier
