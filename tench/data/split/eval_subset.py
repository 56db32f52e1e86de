"""Which images a trained model is asked about: all of test, some of the others.

They also lie apart, in data/eval_subset, so that a model can be scored and exported where no others are.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tench.core.zip_packs import write_pack
from tench.data.index import Row, evenly_spaced, rows_in_split
from tench.data.store.prepared_images import read_prepared_bytes
from tench.run.progress import progress_bar

CHECK_IMAGES = 128  # validation images that are asked again after saving
THRESHOLD_IMAGES = 1024  # validation images by which an export learns what to doubt
REFERENCE_IMAGES = (
    1024  # training images that an export carries: so that it and its search stay small
)
CALIBRATION_IMAGES = 64  # training images by which the ranges of 8-bit activations are chosen


def evenly_spaced_rows(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` rows, evenly from all of them."""
    return [rows[place] for place in evenly_spaced(len(rows), count)]


def select_eval_subset(rows: Sequence[Row]) -> list[Row]:
    """The rows of an index that are asked about, in the order in which they were prepared."""
    train, val, test = (rows_in_split(rows, split) for split in ("train", "val", "test"))
    wanted = {
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
    return sorted(wanted, key=lambda row: row.feature_row)


def write_eval_subset(rows: Sequence[Row], folder: Path) -> None:
    """Write what data/prepared has of some images: its packs with no others in them. Where none
    is left out the bytes are the same, so that DVC keeps and sends them once.

    Args:
        rows: in the order in which they were prepared.
        folder: in place of data/prepared.

    Raises:
        TenchError: an image is damaged or not there.
    """
    with progress_bar(None, "packs", len(rows), delay=1) as bar:
        for pack, group in groupby(rows, lambda row: pack_and_name(row)[0]):
            content = [(pack_and_name(row)[1], read_prepared_bytes(row)) for row in group]
            write_pack(content, folder / pack)
            bar.update(len(content))


def pack_and_name(row: Row) -> tuple[str, str]:
    """The pack that a prepared image lies in, side/class/number.zip, and its name there, with
    folders in it where a class has two files of one name."""
    side, of_class, pack, name = row.path.split("/", 3)
    return f"{side}/{of_class}/{pack}", name
