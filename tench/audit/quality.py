"""Pictures that are hard to learn from: dark, blurred, of odd size or shape, almost empty."""

import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from tench.console.progress import progress
from tench.core.parallel import cores
from tench.core.paths import PREPARED
from tench.pictures.index import Row
from tench.pictures.reading import FORMATS

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
    """Picture files, opened but not decoded, for CleanVision. It has the two methods of a
    torchvision data set."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> tuple[Image.Image]:
        return (Image.open(self.files[number], formats=FORMATS),)


def look(rows: Sequence[Row], folder: Path, column: str, kinds: Sequence[str]) -> list[Issue]:
    """What CleanVision finds in the files that a column of the index names, below `folder`."""
    from cleanvision import Imagelab

    files = [folder / getattr(row, column) for row in rows]
    with redirect_stderr(io.StringIO()):  # a progress bar for every call
        lab = Imagelab(torchvision_dataset=Pictures(files))
        lab.find_issues({kind: {} for kind in kinds}, n_jobs=1, verbose=False)
    found: Any = lab.issues
    return [
        Issue(rows[number], kind, float(found[f"{kind}_score"][number]))
        for kind in kinds
        for number in found.index[found[f"is_{kind}_issue"]]
    ]


def find_issues(rows: Sequence[Row], raw: Path) -> list[Issue]:
    """Look at every picture with CleanVision; return what it takes issue with, worst first.

    Content is judged as the network sees it, in the prepared pictures; size and shape by what the
    headers of the raw files say. So neither time nor memory grows with the size of photographs.

    Args:
        rows: the index.
        raw: the folder that its sources are below.
    """
    found = look(rows, raw, "source", SHAPE)  # all at once: what is odd depends on the others
    parts = [rows[start : start + PART] for start in range(0, len(rows), PART)]
    content = partial(look, folder=PREPARED, column="path", kinds=CONTENT)
    with ProcessPoolExecutor(cores()) as pool, progress(None, "audit pictures", len(rows)) as bar:
        for part, issues in zip(parts, pool.map(content, parts), strict=True):
            found += issues
            bar.update(len(part))
    return sorted(found, key=lambda issue: (issue.score, issue.row.path, issue.kind))
