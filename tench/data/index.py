"""The data index: a CSV file with one row per prepared image, in the order of all later stages.

It contains a digest of the pixels of every raw and prepared image. A stage that depends on the
index thus depends on the images, and DVC does not check every file for every stage. The digest of
the index itself is in a file beside it, in the format of sha256sum. `prepare` writes an index
without the splits that `split` assigns; `split` writes the final one.
"""

import csv
import re
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.core.files import file_sha256, write_csv, write_text
from tench.core.names import unescape_formula
from tench.core.origins import learned_from_imagenet
from tench.core.paths import INDEX
from tench.run.recovery import damaged_file_error

# An ImageNet training image is named like n01440764_10043.JPEG, in the folder of its WordNet id.
IMAGENET_NAME = re.compile(r"(n\d{8})_\d+\.")


class Row(NamedTuple):
    """One prepared image."""

    path: str  # below data/prepared
    split: str  # one of SPLITS; "" if the stage split assigns it later
    label: int  # 0 … classes - 1, by sorted class name
    class_name: str
    source: str  # raw file, below data.raw
    sha256: str  # of mode, size and pixels of the raw image
    prepared_sha256: str  # of mode, size and pixels of the prepared image
    seen: int  # 1 if folder and name are those of an ImageNet training image
    feature_row: int  # row number in the feature files, in the order of preparation
    group: str = ""  # images of a group are in one split; "" without groups


def is_imagenet_name(source: PurePath) -> bool:
    """Whether a path is named like an ImageNet training image.

    The file name starts with a WordNet id (n01440764_10043.JPEG), and a folder above has this id as
    its name.
    """
    match = IMAGENET_NAME.match(source.name)
    return match is not None and match[1] in source.parent.parts


def seen_with(rows: Iterable[Row], weights: str) -> list[Row]:
    """The rows, with `seen` set to 0 unless the backbone was trained on ImageNet.

    Args:
        rows: rows of the index.
        weights: backbone.weights.
    """
    trained_on_imagenet = learned_from_imagenet(weights)
    return [row if trained_on_imagenet else row._replace(seen=0) for row in rows]


def write_index(rows: Iterable[Row], file: Path = INDEX) -> None:
    """Write an index as CSV, and its digest beside it."""
    write_csv(Row._fields, rows, file)
    write_text(digest_line(file), digest_file(file))


def digest_file(file: Path) -> Path:
    """Path of the digest of an index."""
    return file.with_name(f"{file.name}.sha256")


def digest_line(file: Path) -> str:
    """SHA-256 and name of a file, as sha256sum writes them."""
    return f"{file_sha256(file)}  {file.name}\n"


def read_index(file: Path = INDEX) -> list[Row]:
    """Read an index. Raises TenchError if it or its digest is missing or damaged."""
    for path in (file, digest_file(file)):
        if not path.is_file():
            raise TenchError(f"{path}: missing: run `dvc repro`")
    if digest_file(file).read_bytes() != digest_line(file).encode():
        what = f"damaged: it does not match {digest_file(file).name}"
        raise damaged_file_error(file, what, file, digest_file(file))
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.reader(lines)
        next(table)
        return [parse_row(*map(unescape_formula, row)) for row in table]


def parse_row(
    path: str,
    split: str,
    label: str,
    class_name: str,
    source: str,
    sha256: str,
    prepared_sha256: str,
    seen: str,
    feature_row: str,
    group: str,
) -> Row:
    """Parse a row. Repeated words are interned: a million rows take 0.6 GB instead of 1.1 GB."""
    return Row(
        path,
        sys.intern(split),
        int(label),
        sys.intern(class_name),
        source,
        sha256,
        prepared_sha256,
        int(seen),
        int(feature_row),
        sys.intern(group),
    )


def rows_in_split(rows: Iterable[Row], split: str) -> list[Row]:
    """Rows of one split, in the order of the index."""
    return [row for row in rows if row.split == split]


def row_labels(rows: Iterable[Row]) -> NDArray[np.int32]:
    """Labels, int32 (rows,)."""
    return np.array([row.label for row in rows], np.int32)


def seen_mask(rows: Iterable[Row]) -> NDArray[np.bool_]:
    """Whether the backbone may have been trained on each image, bool (rows,)."""
    return np.array([bool(row.seen) for row in rows])


def class_names(rows: Iterable[Row]) -> list[str]:
    """Class names, indexed by label."""
    return [name for _, name in sorted({(row.label, row.class_name) for row in rows})]


def row_weights(labels: NDArray[np.integer[Any]], balanced: bool) -> NDArray[np.float64]:
    """Sample weights, float64 (rows,), with mean 1.

    Args:
        labels: (rows,).
        balanced: give every class the same total weight, instead of every row.
    """
    if not balanced:
        return np.ones(len(labels))
    counts = np.bincount(labels)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]))


def evenly_spaced(count: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` evenly spaced indices of 0 … count - 1."""
    return np.arange(min(count, wanted)) * count // max(1, min(count, wanted))
