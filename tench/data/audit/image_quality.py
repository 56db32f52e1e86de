"""Find images of low quality with CleanVision: dark, blurry, nearly uniform, odd size or shape."""

import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tench.core.errors import TenchError, UnreadableError
from tench.core.parallel import process_pool
from tench.data.audit.thumbnails import THUMBNAIL_SIZE, Thumbnails, make_thumbnail
from tench.data.decode.decoder import FORMATS, check_regular_file
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared
from tench.run.progress import progress_bar

CONTENT_ISSUES = ("dark", "light", "blurry", "low_information")
SHAPE_ISSUES = ("odd_size", "odd_aspect_ratio")
ISSUE_KINDS = CONTENT_ISSUES + SHAPE_ISSUES
IMAGES_PER_TASK = 256  # images per task of a worker process


class ImageIssue(NamedTuple):
    """A quality issue that CleanVision reports for an image."""

    row: Row
    kind: str  # one of ISSUE_KINDS
    score: float  # in [0, 1]; lower is worse


class CleanVisionImages:
    """Images as a torchvision data set, the interface that CleanVision expects."""

    def __init__(self, items: Sequence[Any], image_of: Callable[[Any], Image.Image]) -> None:
        self.items, self.image_of = items, image_of

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Image.Image]:
        return (self.image_of(self.items[index]),)


def find_issues(
    rows: Sequence[Row], images: CleanVisionImages, kinds: Sequence[str]
) -> list[ImageIssue]:
    """Run CleanVision's checks `kinds` on the images of `rows`."""
    from cleanvision import Imagelab

    with redirect_stderr(io.StringIO()):  # hides a progress bar per call
        lab = Imagelab(torchvision_dataset=images)
        lab.find_issues({kind: {} for kind in kinds}, n_jobs=1, verbose=False)
    table: Any = lab.issues  # a pandas.DataFrame, one row per image
    return [
        ImageIssue(rows[index], kind, float(table[f"{kind}_score"][index]))
        for kind in kinds
        for index in table.index[table[f"is_{kind}_issue"]]
    ]


def open_image(file: Path) -> Image.Image:
    """Open an image file without decoding it.

    Raises:
        TenchError: the path is now a pipe or a device.
    """
    try:
        check_regular_file(file)
    except UnreadableError as error:
        raise TenchError(f"{file}: {error}. Remove it and run `dvc repro`") from None
    return Image.open(file, formats=FORMATS)


def check_image_content(rows: Sequence[Row]) -> tuple[list[ImageIssue], Thumbnails]:
    """Check the content of prepared images and make their thumbnails, decoding each once."""
    images = [Image.fromarray(read_prepared(row)) for row in rows]
    issues = find_issues(rows, CleanVisionImages(images, lambda image: image), CONTENT_ISSUES)
    return issues, np.stack([make_thumbnail(image) for image in images])


def check_image_quality(rows: Sequence[Row], raw: Path) -> tuple[list[ImageIssue], Thumbnails]:
    """Check the quality of every image and make its thumbnail.

    Content is checked in the prepared images, which are the network's input. Size and shape are
    checked in the headers of the raw files, so time and memory do not depend on their size.

    Args:
        rows: the index.
        raw: the raw folder, which `row.source` is relative to.

    Returns:
        The issues, worst first, and the thumbnails of all rows.
    """
    headers = CleanVisionImages(rows, lambda row: open_image(raw / row.source))
    issues = find_issues(rows, headers, SHAPE_ISSUES)  # relative to all images, so not in parts
    thumbnails = np.empty((len(rows), THUMBNAIL_SIZE, THUMBNAIL_SIZE), np.uint8)
    starts = range(0, len(rows), IMAGES_PER_TASK)
    parts = [rows[start : start + IMAGES_PER_TASK] for start in starts]
    with process_pool() as pool, progress_bar(None, "audit images", len(rows)) as bar:
        for start, (found, part) in zip(starts, pool.map(check_image_content, parts), strict=True):
            issues += found
            thumbnails[start : start + IMAGES_PER_TASK] = part
            bar.update(len(part))
    return sorted(issues, key=lambda i: (i.score, i.row.path, i.kind)), thumbnails
