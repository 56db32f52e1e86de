"""The data index: one row per prepared image, the order every later stage goes by.

It holds a digest of every image's pixels, raw and prepared, so that a stage which depends on the
index depends on them: DVC need not look at every file for every stage. Beside it lies its own
digest, as sha256sum writes it. Two files are of this kind: what `prepare` wrote, in which only the
raw folder has given sides, and what `split` made of it.
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
from tench.core.names import escape_formula_path
from tench.core.origins import learned_from_imagenet
from tench.core.paths import INDEX
from tench.run.recovery import damaged_file_error

# ImageNet's training images are called n01440764_10043.JPEG, in the folder of that WordNet id.
IMAGENET_NAME = re.compile(r"(n\d{8})_\d+\.")


class Row(NamedTuple):
    """One prepared image."""

    path: str  # below data/prepared
    split: str  # one of SPLITS; before the stage split, "" where it is to choose
    label: int  # 0 … classes - 1, in the order of the sorted class names
    class_name: str
    source: str  # below data.raw, in the file with ./ before what would begin a formula
    sha256: str  # of the decoded image at full size: mode RGB, size, pixels
    prepared_sha256: str  # of the prepared image's pixels
    seen: int  # 1 if its folder and its name are those of an ImageNet training image
    feature_row: int  # row number in the feature files, in the order of preparation
    group: str = ""  # of images that are on one side together; "" without groups


def is_imagenet_name(source: PurePath) -> bool:
    """Whether a path below the raw folder is that of an ImageNet training image: its name begins
    with a WordNet id (n01440764_10043.JPEG), and a folder above it has that id as its name."""
    found = IMAGENET_NAME.match(source.name)
    return found is not None and found[1] in source.parent.parts


def seen_with(rows: Iterable[Row], weights: str) -> list[Row]:
    """The rows, marked as seen only where the backbone's weights were trained on ImageNet.

    Args:
        rows: of the index.
        weights: the parameter `backbone.weights`.
    """
    learned = learned_from_imagenet(weights)
    return [row if learned else row._replace(seen=0) for row in rows]


def write_index(rows: Iterable[Row], file: Path = INDEX) -> None:
    """Write an index as CSV, of which nothing is a formula to a spreadsheet, and its digest beside
    it."""
    inert = (row._replace(source=escape_formula_path(row.source)) for row in rows)
    write_csv(Row._fields, inert, file)
    write_text(digest_line(file), digest_file(file))


def digest_file(file: Path) -> Path:
    """Where the digest of an index is."""
    return file.with_name(f"{file.name}.sha256")


def digest_line(file: Path) -> str:
    """A file's SHA-256 and name."""
    return f"{file_sha256(file)}  {file.name}\n"


def read_index(file: Path = INDEX) -> list[Row]:
    """Read data/split/index.csv, or another of its kind. Raises TenchError if it is not what was
    written."""
    for one in (file, digest_file(file)):
        if not one.is_file():
            raise TenchError(f"{one}: missing: run `dvc repro`")
    if digest_file(file).read_bytes() != digest_line(file).encode():
        what = f"damaged, not what {digest_file(file).name} is the digest of"
        raise damaged_file_error(file, what, file, digest_file(file))
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.reader(lines)
        next(table)
        return [parse_row(*row) for row in table]


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
    """A row of the file. Words that many rows have are kept once: a million rows take 0.6 GB then
    and would take 1.1."""
    numbers = int(seen), int(feature_row)
    few = sys.intern(split), int(label), sys.intern(class_name)
    return Row(path, *few, source, sha256, prepared_sha256, *numbers, sys.intern(group))


def rows_in_split(rows: Iterable[Row], split: str) -> list[Row]:
    """The rows of one split, in the index's order."""
    return [row for row in rows if row.split == split]


def row_labels(rows: Iterable[Row]) -> NDArray[np.int32]:
    """The labels, int32 (rows,)."""
    return np.array([row.label for row in rows], np.int32)


def seen_mask(rows: Iterable[Row]) -> NDArray[np.bool_]:
    """Whether the backbone was trained on each, (rows,)."""
    return np.array([bool(row.seen) for row in rows])


def class_names(rows: Iterable[Row]) -> list[str]:
    """The class names; a name's place is its label."""
    return [name for _, name in sorted({(row.label, row.class_name) for row in rows})]


def row_weights(labels: NDArray[np.integer[Any]], balanced: bool) -> NDArray[np.float64]:
    """The weight of each row, (rows,), 1 on average: 1 for all, or where `balanced` such that the
    rows of every class that has any weigh the same together."""
    if not balanced:
        return np.ones(len(labels))
    counts = np.bincount(labels)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]))


def evenly_spaced(count: int, wanted: int) -> NDArray[np.int64]:
    """At most `wanted` of the places 0 ... count - 1, evenly spaced."""
    return np.arange(min(count, wanted)) * count // max(1, min(count, wanted))
