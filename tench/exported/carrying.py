"""An exported classifier as bytes, which can be opened where its folder is not."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tench.exported.answers import Classifier, open_classifier
from tench.exported.folder import (
    DESCRIPTION,
    MODELS,
    NEIGHBOUR_ROWS,
    NEIGHBOURS,
    Exported,
    checked,
    read_exported,
)


def packed(exported: Exported, runtime: str) -> dict[str, bytes]:
    """The files, by name, that one of RUNTIMES needs. Raises TenchError if one is damaged or
    missing."""
    needed = [checked(exported, name) for name in (MODELS[runtime], NEIGHBOURS, NEIGHBOUR_ROWS)]
    files = [exported.folder / DESCRIPTION, *needed]
    return {file.name: file.read_bytes() for file in files}


@contextmanager
def open_packed(files: Mapping[str, bytes], runtime: str) -> Iterator[Classifier]:
    """The classifier that `packed` gave, as `open_classifier` gives it."""
    with ExitStack() as opened:
        with TemporaryDirectory() as folder:
            for name, content in files.items():
                Path(folder, name).write_bytes(content)
            there = open_classifier(read_exported(Path(folder)), runtime)
            classifier = opened.enter_context(there)
        yield classifier
