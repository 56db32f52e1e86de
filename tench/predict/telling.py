"""What is said of a file, on this machine or on one that does not see it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from tench.exported.answers import Classifier, answer, explanation, open_classifier
from tench.exported.carrying import open_packed
from tench.exported.folder import Exported
from tench.pictures import raw as raws
from tench.pictures.raw import Raw, read_raw
from tench.pictures.reading import UnreadableError
from tench.predict.listing import is_closed
from tench.predict.rows import Row, answered, rejected

CLOSED = "a folder that cannot be read"


class Wanted(NamedTuple):
    """What is to be written of each picture."""

    min_confidence: float
    explain: Path | None  # a folder for Grad-CAM pictures


def plain(stem: str) -> str:
    """A file's name without its suffix, as a part of another's: 60 characters at most, marks and
    what is no text replaced."""
    return re.sub(r"[^\w .()-]", "_", stem)[:60]


class Asked(NamedTuple):
    """A file to be named."""

    raw: Raw
    number: int


class Told(NamedTuple):
    """What is said of a file."""

    row: Row
    explanation: bytes  # a JPEG file for the path that the row has; empty if none


def carried(asked: Asked) -> Asked:
    """The same with the file's content, for who does not see the file."""
    try:
        check_file(asked.raw.file)
        return asked._replace(raw=raws.carried(asked.raw))
    except UnreadableError as error:
        reason = str(error)
    except OSError as error:
        reason = cannot_open(error)
    return asked._replace(raw=asked.raw._replace(reason=reason))


def check_file(path: Path) -> None:
    """Raise UnreadableError if there is no such file, or it is a folder that cannot be read."""
    if not os.path.isfile(path):  # noqa: PTH113 - Path raises OSError for a name too long
        there = os.path.exists(path)  # noqa: PTH110
        if is_closed(path):
            raise UnreadableError(CLOSED)
        raise UnreadableError("not a file" if there else "no such file")


def cannot_open(error: OSError) -> str:
    """The reason that an error of the machine is."""
    return f"cannot be opened: {(error.strerror or str(error)).lower()}"


def told_of(classifier: Classifier, wanted: Wanted, asked: Asked) -> Told:
    """What is said of a file."""
    path, content, reason = asked.raw
    try:
        if content is None and not reason:
            check_file(path)
        one = answer(classifier, read_raw(asked.raw))
    except UnreadableError as error:
        return Told(rejected(path, str(error)), b"")
    except OSError as error:
        return Told(rejected(path, cannot_open(error)), b"")
    if not wanted.explain:
        return Told(answered(path, one, wanted.min_confidence, ""), b"")
    file = wanted.explain / f"{asked.number:06d}-{plain(path.stem)}.jpg"
    shown = BytesIO()
    explanation(one).save(shown, "JPEG", quality=88)
    return Told(answered(path, one, wanted.min_confidence, str(file)), shown.getvalue())


@contextmanager
def telling_here(
    exported: Exported, runtime: str, wanted: Wanted
) -> Iterator[Callable[[Asked], Told]]:
    """What is to be asked about every file, on this machine."""
    with open_classifier(exported, runtime) as classifier:
        yield partial(told_of, classifier, wanted)


@contextmanager
def telling_there(
    files: Mapping[str, bytes], runtime: str, wanted: Wanted
) -> Iterator[Callable[[Asked], Told]]:
    """The same on a machine that has nothing but these files."""
    with open_packed(files, runtime) as classifier:
        yield partial(told_of, classifier, wanted)
