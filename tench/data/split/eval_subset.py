"""The evaluation subset: the images that evaluate and export need.

They are all test images and some of the others. A copy in data/eval_subset allows scoring and
exporting a model on a machine without the other images.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tench.core.zip_packs import write_pack
from tench.data.index import Row, evenly_spaced, rows_in_split
from tench.data.store.prepared_images import read_prepared_bytes
from tench.run.progress import progress_bar

CHECK_IMAGES = 128  # validation images that are predicted again after saving
THRESHOLD_IMAGES = 1024  # validation images from which an export sets its thresholds
REFERENCE_IMAGES = 1024  # training images in an export's reference set, limited for its size
CALIBRATION_IMAGES = 64  # training images that set the ranges of 8-bit activations


def evenly_spaced_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` evenly spaced rows."""
    return [rows[index] for index in evenly_spaced(len(rows), count)]


def select_eval_subset(rows: Sequence[Row]) -> list[Row]:
    """The rows of the evaluation subset, in the order of preparation."""
    train, val, test = (rows_in_split(rows, split) for split in ("train", "val", "test"))
    subset = {
        *test,
        *(
            row
            for count in (CHECK_IMAGES, THRESHOLD_IMAGES)
            for row in evenly_spaced_rows(val, count)
        ),
        *(
            row
            for count in (REFERENCE_IMAGES, CALIBRATION_IMAGES)
            for row in evenly_spaced_rows(train, count)
        ),
    }
    return sorted(subset, key=lambda row: row.feature_row)


def write_eval_subset(rows: Sequence[Row], folder: Path) -> None:
    """Copy some prepared images, in the packs of data/prepared.

    A pack of which all images are copied has the same bytes, so DVC stores and sends it once.

    Args:
        rows: rows of the images, in the order of preparation.
        folder: destination, with the layout of data/prepared.

    Raises:
        TenchError: an image is damaged or missing.
    """
    with progress_bar(None, "packs", len(rows), delay=1) as bar:
        for pack, group in groupby(rows, lambda row: pack_and_name(row)[0]):
            content = [(pack_and_name(row)[1], read_prepared_bytes(row)) for row in group]
            write_pack(content, folder / pack)
            bar.update(len(content))


def pack_and_name(row: Row) -> tuple[str, str]:
    """The pack of a prepared image, split/class/number.zip, and the image's name in the pack."""
    split, class_name, pack, name = row.path.split("/", 3)
    return f"{split}/{class_name}/{pack}", name
