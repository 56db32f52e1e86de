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

from tench.data.decode.raw_image import RawImage
from tench.deploy.predict.input_files import argument_batches, count_files
from tench.deploy.predict.output_rows import PredictionRow, csv_columns, csv_row, json_line
from tench.deploy.predict.predict_files import (
    CLOSED,
    FileRequest,
    PredictOptions,
    load_request_content,
    open_local_predictor,
    open_remote_predictor,
)
from tench.deploy.runtime.bundle import read_export_files
from tench.deploy.runtime.export_folder import read_export
from tench.run.executor.dispatch import open_executor, uses_cluster
from tench.run.progress import progress_bar


@contextmanager
def open_row_writer(how: str, top: int) -> Iterator[Callable[[PredictionRow], None]]:
    """A function that writes a row to standard output, at once: who sends paths one by one may wait
    for it."""
    if how == "json":
        yield lambda row: print(json_line(row, top), flush=True)
        return
    table = csv.writer(sys.stdout, lineterminator="\n")

    def put(cells: list[str]) -> None:
        table.writerow(cells)
        sys.stdout.flush()

    put(csv_columns(top))
    yield lambda row: put(csv_row(row, top))


class Counts(NamedTuple):
    """How many files there were."""

    files: int
    lost: int  # of them, unreadable
    closed: int  # of those, folders, of which it is not known what is in them


def predict_files(chosen: argparse.Namespace) -> Counts:
    """Write a row for every image and every folder that cannot be read."""
    exported = read_export(chosen.model)
    top = min(max(chosen.top, 1), len(exported.classes))
    if chosen.explain:
        chosen.explain.mkdir(parents=True, exist_ok=True)
    wanted = PredictOptions(chosen.min_confidence, chosen.explain)
    how = (chosen.runtime, wanted)
    opened = (
        partial(open_remote_predictor, read_export_files(exported, chosen.runtime), *how)
        if uses_cluster()
        else partial(open_local_predictor, exported, *how)
    )
    files, lost, closed = 0, 0, 0
    with (
        open_executor(opened, load_request_content) as mapped,
        open_row_writer(chosen.format, top) as put,
    ):
        numbers = count(1)
        some = (
            map(FileRequest, map(RawImage, batch), numbers)
            for batch in argument_batches(chosen.images)
        )
        told = chain.from_iterable(mapped(asked) for asked in some)
        for row, image in progress_bar(told, "predict", count_files(chosen.images), delay=1):
            if image:
                Path(row.explanation).write_bytes(image)
            put(row)
            files, lost = files + 1, lost + bool(row.reason)
            closed += row.reason == CLOSED
    return Counts(files, lost, closed)
