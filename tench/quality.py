"""Pictures that are hard to learn from: dark, blurred, of odd size or shape, almost empty."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tench.cli import CORES
from tench.images import read_picture
from tench.index import Row, read_index

KINDS = ("dark", "light", "blurry", "low_information", "odd_size", "odd_aspect_ratio")


class Issue(NamedTuple):
    """What CleanVision finds wrong with a picture."""

    row: Row
    kind: str  # one of KINDS
    score: float  # 0 ... 1, the lower the worse


@cache
def sources() -> list[str]:
    """The index's sources; read anew in every process, for CleanVision sends its data set to them
    with every few pictures."""
    return [row.source for row in read_index()]


class RawPictures:
    """The raw pictures of the index, read as the pipeline reads them, for CleanVision: upright RGB
    whatever the file holds. It has the two methods of a torchvision data set."""

    def __init__(self, raw: Path) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return len(sources())

    def __getitem__(self, number: int) -> tuple[Image.Image]:
        return (read_picture(self.raw / sources()[number]),)


def find_issues(rows: Sequence[Row], raw: Path) -> list[Issue]:
    """Look at every raw picture with CleanVision; return what it takes issue with, worst first.

    Args:
        rows: the index.
        raw: the folder that its sources are below.
    """
    from cleanvision import Imagelab

    lab = Imagelab(torchvision_dataset=RawPictures(raw))
    lab.find_issues({kind: {} for kind in KINDS}, n_jobs=CORES, verbose=False)
    found = [
        Issue(rows[number], kind, float(lab.issues[f"{kind}_score"][number]))
        for kind in KINDS
        for number in lab.issues.index[lab.issues[f"is_{kind}_issue"]]
    ]
    return sorted(found, key=lambda issue: (issue.score, issue.row.path, issue.kind))
