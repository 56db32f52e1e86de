"""Which pictures a trained model is asked about: all of test, some of the others.

They also lie apart, in data/asked, so that a model can be scored and exported where no others are.
"""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tench.console.progress import progress
from tench.core.packs import write_pack
from tench.pictures.checked import read_file
from tench.pictures.index import Row, evenly, of_split

CHECKED = 128  # validation pictures that are asked again after saving
DOUBTED = 1024  # validation pictures by which an export learns what to doubt
KNOWN = 1024  # training pictures that an export carries: so that it and its search stay small
CALIBRATED = 64  # training pictures by which the ranges of 8-bit activations are chosen


def some(rows: Sequence[Row], count: int) -> list[Row]:
    """At most `count` rows, evenly from all of them."""
    return [rows[place] for place in evenly(len(rows), count)]


def asked(rows: Sequence[Row]) -> list[Row]:
    """The rows of an index that are asked about, in the order in which they were prepared."""
    train, val, test = (of_split(rows, split) for split in ("train", "val", "test"))
    wanted = {
        *test,
        *(row for count in (CHECKED, DOUBTED) for row in some(val, count)),
        *(row for count in (KNOWN, CALIBRATED) for row in some(train, count)),
    }
    return sorted(wanted, key=lambda row: row.place)


def write_asked(rows: Sequence[Row], folder: Path) -> None:
    """Write what data/prepared has of some pictures: its packs with no others in them. Where none
    is left out the bytes are the same, so that DVC keeps and sends them once.

    Args:
        rows: in the order in which they were prepared.
        folder: in place of data/prepared.

    Raises:
        TenchError: a picture is damaged or not there.
    """
    with progress(None, "packs", len(rows), delay=1) as bar:
        for pack, group in groupby(rows, lambda row: pack_and_name(row)[0]):
            content = [(pack_and_name(row)[1], read_file(row)) for row in group]
            write_pack(content, folder / pack)
            bar.update(len(content))


def pack_and_name(row: Row) -> tuple[str, str]:
    """The pack that a prepared picture lies in, side/class/number.zip, and its name there, with
    folders in it where a class has two files of one name."""
    side, of_class, pack, name = row.path.split("/", 3)
    return f"{side}/{of_class}/{pack}", name
