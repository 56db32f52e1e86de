"""Predict files and write their rows, in threads on this machine or on a Ray cluster."""

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
    UNREADABLE_FOLDER,
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
def open_row_writer(output_format: str, top: int) -> Iterator[Callable[[PredictionRow], None]]:
    """Open a function that writes a row to standard output and flushes.

    A program that sends paths one by one can wait for each row.
    """
    if output_format == "json":
        yield lambda row: print(json_line(row, top), flush=True)
        return
    table = csv.writer(sys.stdout, lineterminator="\n")

    def write_cells(cells: list[str]) -> None:
        table.writerow(cells)
        sys.stdout.flush()

    write_cells(csv_columns(top))
    yield lambda row: write_cells(csv_row(row, top))


class Counts(NamedTuple):
    """Numbers of files."""

    files: int  # rows written
    unreadable: int
    unreadable_folders: int  # included in `unreadable`; their content is unknown


def predict_files(args: argparse.Namespace) -> Counts:
    """Write a row for every image, and for every folder that cannot be read."""
    exported = read_export(args.model)
    top = min(max(args.top, 1), len(exported.classes))
    if args.explain:
        args.explain.mkdir(parents=True, exist_ok=True)
    options = PredictOptions(args.min_confidence, args.explain)
    if uses_cluster():
        content = read_export_files(exported, args.runtime)
        open_predictor = partial(open_remote_predictor, content, args.runtime, options)
    else:
        open_predictor = partial(open_local_predictor, exported, args.runtime, options)
    files, unreadable, folders = 0, 0, 0
    with (
        open_executor(open_predictor, load_request_content) as predict_all,
        open_row_writer(args.format, top) as write_row,
    ):
        numbers = count(1)
        batches = (
            map(FileRequest, map(RawImage, batch), numbers)
            for batch in argument_batches(args.images)
        )
        results = chain.from_iterable(predict_all(batch) for batch in batches)
        for row, image in progress_bar(results, "predict", count_files(args.images), delay=1):
            if image:
                Path(row.explanation).write_bytes(image)
            write_row(row)
            files, unreadable = files + 1, unreadable + bool(row.reason)
            folders += row.reason == UNREADABLE_FOLDER
    return Counts(files, unreadable, folders)
