"""The origin of a run's images, and whether its backbone was trained on them."""

import csv
import hashlib
from itertools import islice
from pathlib import Path

from tench.core.paths import INDEX

IMAGES = 13_394  # in Imagenette
# SHA-256 of Imagenette v2 at 224 pixels, over the sorted lines "SOURCE SHA256\n" of all images:
# the columns source and sha256 (of the decoded pixels) of data/split/index.csv.
IMAGENETTE = "c43e162e5ea2c15d47f64fcc01bb6f82315d895a24b3801732241dd8e70a6b9e"


def learned_from_imagenet(weights: str) -> bool:
    """Whether `backbone.weights` names ImageNet weights.

    Random weights are not; the training data of a custom .weights.h5 file is unknown.
    """
    return weights.startswith("imagenet") and not weights.endswith(".weights.h5")


def content_digest(file: Path = INDEX, most: int = IMAGES) -> str:
    """SHA-256 over the sources and pixels of the images in an index; "" for more than `most`.

    It does not depend on their order, classes, splits or prepared size.
    """
    with file.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        images = [f"{row['source']} {row['sha256']}\n" for row in islice(rows, most + 1)]
    return (
        "" if len(images) > most else hashlib.sha256("".join(sorted(images)).encode()).hexdigest()
    )


def is_imagenette(file: Path = INDEX) -> bool:
    """Whether an index contains exactly the images of Imagenette."""
    return content_digest(file) == IMAGENETTE
