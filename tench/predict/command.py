"""From files to rows: reading, asking, writing, with a thread a core."""

import argparse
import csv
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from tench.console.progress import progress
from tench.core.parallel import in_threads
from tench.exported.answers import Classifier, answer, explanation, open_classifier
from tench.exported.folder import read_exported
from tench.pictures.reading import UnreadableError, read_picture
from tench.predict.listing import batches, how_many
from tench.predict.rows import Row, answered, columns, csv_row, json_line, rejected


class Wanted(NamedTuple):
    """What is to be written of each picture."""

    min_confidence: float
    explain: Path | None  # a folder for Grad-CAM pictures


def plain(stem: str) -> str:
    """A file's name without its suffix, as a part of another's: 60 characters at most, marks and
    what is no text replaced."""
    return re.sub(r"[^\w .()-]", "_", stem)[:60]


def row_of(classifier: Classifier, wanted: Wanted, numbered: tuple[Path, int]) -> Row:
    """What is said of file number n."""
    path, n = numbered
    if not os.path.isfile(path):  # noqa: PTH113 - Path raises OSError for a name too long
        there = os.path.exists(path)  # noqa: PTH110
        return rejected(path, "not a file" if there else "no such file")
    try:
        one = answer(classifier, read_picture(path))
    except UnreadableError as error:
        return rejected(path, str(error))
    except OSError as error:
        return rejected(path, f"cannot be opened: {(error.strerror or str(error)).lower()}")
    shown = ""
    if wanted.explain:
        file = wanted.explain / f"{n:06d}-{plain(path.stem)}.jpg"
        explanation(one).save(file, quality=88)
        shown = str(file)
    return answered(path, one, wanted.min_confidence, shown)


@contextmanager
def writing(how: str, top: int) -> Iterator[Callable[[Row], None]]:
    """A function that writes a row to standard output, at once: who sends paths one by one may wait
    for it."""
    if how == "json":
        yield lambda row: print(json_line(row, top), flush=True)
        return
    table = csv.writer(sys.stdout, lineterminator="\n")

    def put(cells: list[str]) -> None:
        table.writerow(cells)
        sys.stdout.flush()

    put(columns(top))
    yield lambda row: put(csv_row(row, top))


def predict(chosen: argparse.Namespace) -> tuple[int, int]:
    """Write a row for every picture; return how many there were and how many were unreadable."""
    exported = read_exported(chosen.model)
    top = min(max(chosen.top, 1), len(exported.classes))
    if chosen.explain:
        chosen.explain.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(chosen.min_confidence, chosen.explain)
    files, lost = 0, 0
    with (
        open_classifier(exported, chosen.runtime) as classifier,
        writing(chosen.format, top) as put,
    ):
        numbers = count(1)
        some = (zip(batch, numbers, strict=False) for batch in batches(chosen.pictures))
        look = partial(row_of, classifier, wanted)
        rows = chain.from_iterable(in_threads(look, numbered) for numbered in some)
        for row in progress(rows, "predict", how_many(chosen.pictures), delay=1):
            put(row)
            files, lost = files + 1, lost + bool(row.reason)
    return files, lost
