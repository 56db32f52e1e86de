"""Where the images of a run come from, and whether its backbone may have learned from them."""

import csv
import hashlib
from itertools import islice
from pathlib import Path

from tench.core.paths import INDEX

IMAGES = 13_394  # of Imagenette
# SHA-256 of Imagenette v2 at 224 pixels: a sorted line for each image, its path in the raw folder,
# a space and the digest of its decoded pixels, as data/split/index.csv has both.
IMAGENETTE = "c43e162e5ea2c15d47f64fcc01bb6f82315d895a24b3801732241dd8e70a6b9e"


def learned_from_imagenet(weights: str) -> bool:
    """Whether `backbone.weights` names weights that were trained on ImageNet. Random weights were
    not; what a .weights.h5 of your own was trained on is unknown."""
    return weights.startswith("imagenet") and not weights.endswith(".weights.h5")


def content_digest(file: Path = INDEX, most: int = IMAGES) -> str:
    """The digest of the images in an index, whatever their order, classes, splits and prepared
    size; "" where there are more than `most`."""
    with file.open(newline="", encoding="utf-8") as lines:
        rows = csv.DictReader(lines)
        images = [f"{row['source']} {row['sha256']}\n" for row in islice(rows, most + 1)]
    return (
        "" if len(images) > most else hashlib.sha256("".join(sorted(images)).encode()).hexdigest()
    )


def is_imagenette(file: Path = INDEX) -> bool:
    """Whether the images in an index are Imagenette: all of it, each with its own pixels and
    nothing else."""
    return content_digest(file) == IMAGENETTE
