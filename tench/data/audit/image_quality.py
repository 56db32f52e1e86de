"""Images that are hard to learn from: dark, blurred, of odd size or shape, almost empty."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tench.core.errors import TenchError
from tench.core.parallel import process_pool
from tench.data.audit.thumbnails import THUMBNAIL_SIZE, Thumbnails, make_thumbnail
from tench.data.decode.decoder import FORMATS, UnreadableError, check_regular_file
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared
from tench.run.progress import progress_bar

CONTENT_ISSUES = ("dark", "light", "blurry", "low_information")
SHAPE_ISSUES = ("odd_size", "odd_aspect_ratio")
ISSUE_KINDS = CONTENT_ISSUES + SHAPE_ISSUES
IMAGES_PER_TASK = 256  # images a process is given at a time


class ImageIssue(NamedTuple):
    """What CleanVision finds wrong with an image."""

    row: Row
    kind: str  # one of KINDS
    score: float  # 0 ... 1, the lower the worse


class CleanVisionImages:
    """Images for CleanVision, which asks for the two methods of a torchvision data set."""

    def __init__(self, items: Sequence[Any], image_of: Callable[[Any], Image.Image]) -> None:
        self.items, self.image_of = items, image_of

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[Image.Image]:
        return (self.image_of(self.items[number]),)


def find_issues(
    rows: Sequence[Row], images: CleanVisionImages, kinds: Sequence[str]
) -> list[ImageIssue]:
    """What CleanVision finds in the images of `rows`."""
    from cleanvision import Imagelab

    with redirect_stderr(io.StringIO()):  # a progress bar for every call
        lab = Imagelab(torchvision_dataset=images)
        lab.find_issues({kind: {} for kind in kinds}, n_jobs=1, verbose=False)
    found: Any = lab.issues
    return [
        ImageIssue(rows[number], kind, float(found[f"{kind}_score"][number]))
        for kind in kinds
        for number in found.index[found[f"is_{kind}_issue"]]
    ]


def open_image(file: Path) -> Image.Image:
    """An image file, not decoded. Raises TenchError where a pipe or a device has taken its
    place."""
    try:
        check_regular_file(file)
    except UnreadableError as error:
        raise TenchError(f"{file}: {error} now; remove it and run `dvc repro`") from None
    return Image.open(file, formats=FORMATS)


def check_image_content(rows: Sequence[Row]) -> tuple[list[ImageIssue], Thumbnails]:
    """What is wrong with the content of prepared images, and each at a glance: they are decoded
    once for both."""
    images = [Image.fromarray(read_prepared(row)) for row in rows]
    issues = find_issues(rows, CleanVisionImages(images, lambda image: image), CONTENT_ISSUES)
    return issues, np.stack([make_thumbnail(image) for image in images])


def check_image_quality(rows: Sequence[Row], raw: Path) -> tuple[list[ImageIssue], Thumbnails]:
    """Look at every image; return what CleanVision takes issue with, worst first, and all at a
    glance.

    Content is judged as the network sees it, in the prepared images; size and shape by what the
    headers of the raw files say. So neither time nor memory grows with the size of photographs.

    Args:
        rows: the index.
        raw: the folder that its sources are below.
    """
    headers = CleanVisionImages(rows, lambda row: open_image(raw / row.source))
    found = find_issues(rows, headers, SHAPE_ISSUES)  # at once: odd beside the others
    seen = np.empty((len(rows), THUMBNAIL_SIZE, THUMBNAIL_SIZE), np.uint8)
    starts = range(0, len(rows), IMAGES_PER_TASK)
    parts = [rows[start : start + IMAGES_PER_TASK] for start in starts]
    with process_pool() as pool, progress_bar(None, "audit images", len(rows)) as bar:
        for start, (issues, glances) in zip(
            starts, pool.map(check_image_content, parts), strict=True
        ):
            found += issues
            seen[start : start + IMAGES_PER_TASK] = glances
            bar.update(len(glances))
    return sorted(found, key=lambda issue: (issue.score, issue.row.path, issue.kind)), seen
