"""An exported classifier as bytes, for machines that cannot read its folder."""

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
    """Read the files that one of RUNTIMES needs.

    Returns:
        Contents by file name.

    Raises:
        TenchError: A file is missing or damaged.
    """
    needed = [
        verified_file(exported, name)
        for name in (MODEL_FILES[runtime], REFERENCE_FEATURES_FILE, REFERENCE_ROWS_FILE)
    ]
    files = [exported.folder / DESCRIPTION_FILE, *needed]
    return {file.name: file.read_bytes() for file in files}


@contextmanager
def open_classifier_from_files(files: Mapping[str, bytes], runtime: str) -> Iterator[Classifier]:
    """Open a classifier from the files of `read_export_files`."""
    with ExitStack() as opened:
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            exported = read_export(Path(folder))
            classifier = opened.enter_context(open_classifier(exported, runtime))
        yield classifier
