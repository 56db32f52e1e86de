"""Pictures that are hard to learn from: dark, blurred, of odd size or shape, almost empty."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tench.audit.glances import GLANCE, Glances, glance
from tench.console.progress import progress
from tench.core.errors import TenchError
from tench.core.parallel import processes
from tench.pictures.checked import read_checked
from tench.pictures.index import Row
from tench.pictures.reading import FORMATS, UnreadableError, refuse_special

CONTENT = ("dark", "light", "blurry", "low_information")
SHAPE = ("odd_size", "odd_aspect_ratio")
KINDS = CONTENT + SHAPE
PART = 256  # pictures a process is given at a time


class Issue(NamedTuple):
    """What CleanVision finds wrong with a picture."""

    row: Row
    kind: str  # one of KINDS
    score: float  # 0 ... 1, the lower the worse


class Pictures:
    """Pictures for CleanVision, which asks for the two methods of a torchvision data set."""

    def __init__(self, items: Sequence[Any], picture_of: Callable[[Any], Image.Image]) -> None:
        self.items, self.picture_of = items, picture_of

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[Image.Image]:
        return (self.picture_of(self.items[number]),)


def look(rows: Sequence[Row], pictures: Pictures, kinds: Sequence[str]) -> list[Issue]:
    """What CleanVision finds in the pictures of `rows`."""
    from cleanvision import Imagelab

    with redirect_stderr(io.StringIO()):  # a progress bar for every call
        lab = Imagelab(torchvision_dataset=pictures)
        lab.find_issues({kind: {} for kind in kinds}, n_jobs=1, verbose=False)
    found: Any = lab.issues
    return [
        Issue(rows[number], kind, float(found[f"{kind}_score"][number]))
        for kind in kinds
        for number in found.index[found[f"is_{kind}_issue"]]
    ]


def opened(file: Path) -> Image.Image:
    """A picture file, not decoded. Raises TenchError where a pipe or a device has taken its
    place."""
    try:
        refuse_special(file)
    except UnreadableError as error:
        raise TenchError(f"{file}: {error} now; remove it and run `dvc repro`") from None
    return Image.open(file, formats=FORMATS)


def look_inside(rows: Sequence[Row]) -> tuple[list[Issue], Glances]:
    """What is wrong with the content of prepared pictures, and each at a glance: they are decoded
    once for both."""
    pictures = [Image.fromarray(read_checked(row)) for row in rows]
    issues = look(rows, Pictures(pictures, lambda picture: picture), CONTENT)
    return issues, np.stack([glance(picture) for picture in pictures])


def look_at(rows: Sequence[Row], raw: Path) -> tuple[list[Issue], Glances]:
    """Look at every picture; return what CleanVision takes issue with, worst first, and all at a
    glance.

    Content is judged as the network sees it, in the prepared pictures; size and shape by what the
    headers of the raw files say. So neither time nor memory grows with the size of photographs.

    Args:
        rows: the index.
        raw: the folder that its sources are below.
    """
    headers = Pictures(rows, lambda row: opened(raw / row.source))
    found = look(rows, headers, SHAPE)  # at once: odd beside the others
    seen = np.empty((len(rows), GLANCE, GLANCE), np.uint8)
    starts = range(0, len(rows), PART)
    parts = [rows[start : start + PART] for start in starts]
    with processes() as pool, progress(None, "audit pictures", len(rows)) as bar:
        for start, (issues, glances) in zip(starts, pool.map(look_inside, parts), strict=True):
            found += issues
            seen[start : start + PART] = glances
            bar.update(len(glances))
    return sorted(found, key=lambda issue: (issue.score, issue.row.path, issue.kind)), seen
