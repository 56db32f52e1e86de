"""From files to rows: reading, asking, writing, with a thread a core or on a cluster."""

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from tench.console.progress import progress
from tench.exported.carrying import packed
from tench.exported.folder import read_exported
from tench.pictures.raw import Raw
from tench.predict.listing import batches, how_many
from tench.predict.rows import Row, columns, csv_row, json_line
from tench.predict.telling import CLOSED, Asked, Wanted, carried, telling_here, telling_there
from tench.spread.spreading import elsewhere, spread


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


class Counts(NamedTuple):
    """How many files there were."""

    files: int
    lost: int  # of them, unreadable
    closed: int  # of those, folders, of which it is not known what is in them


def predict(chosen: argparse.Namespace) -> Counts:
    """Write a row for every picture and every folder that cannot be read."""
    exported = read_exported(chosen.model)
    top = min(max(chosen.top, 1), len(exported.classes))
    if chosen.explain:
        chosen.explain.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(chosen.min_confidence, chosen.explain)
    how = (chosen.runtime, wanted)
    opened = (
        partial(telling_there, packed(exported, chosen.runtime), *how)
        if elsewhere()
        else partial(telling_here, exported, *how)
    )
    files, lost, closed = 0, 0, 0
    with spread(opened, carried) as mapped, writing(chosen.format, top) as put:
        numbers = count(1)
        some = (map(Asked, map(Raw, batch), numbers) for batch in batches(chosen.pictures))
        told = chain.from_iterable(mapped(asked) for asked in some)
        for row, picture in progress(told, "predict", how_many(chosen.pictures), delay=1):
            if picture:
                Path(row.explanation).write_bytes(picture)
            put(row)
            files, lost = files + 1, lost + bool(row.reason)
            closed += row.reason == CLOSED
    return Counts(files, lost, closed)
