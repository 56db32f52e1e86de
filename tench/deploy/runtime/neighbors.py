"""How far an image lies from those the classifier was trained on: its nearest neighbors.

Distances are 1 - cosine of two images' pooled features, 0 ... 2; small ones mean alike to the
network.
"""

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import read_csv
from tench.deploy.runtime.export_folder import (
    REFERENCE_FEATURES_FILE,
    REFERENCE_IMAGES_FILE,
    REFERENCE_ROWS_FILE,
    ExportedClassifier,
    invalid_file_error,
    verified_file,
)

MAX_IMAGE_BYTES = 2**20  # bytes of a small image: an archive may unfold to any number


class Neighbor(NamedTuple):
    """A training image."""

    place: int  # among those that were kept
    path: str
    class_name: str
    distance: float


class ReferenceSet(NamedTuple):
    """The training images that were kept to compare with."""

    features: NDArray[np.float32]  # (images, channels), unit vectors
    rows: list[dict[str, str]]  # path and class_name of each
    images: Path | None  # NEIGHBOR_IMAGES, unless it was taken out of the folder


def normalize_vectors(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (..., channels) of length 1 in their direction; zero stays zero."""
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)


def read_reference_set(classifier: ExportedClassifier) -> ReferenceSet:
    """The training images of an exported classifier. Raises TenchError if a file is damaged, or
    not what Tench exports."""
    file = verified_file(classifier, REFERENCE_FEATURES_FILE)
    try:  # an array alone: a pickle in it would be a program
        features = np.load(file, allow_pickle=False).astype(np.float32)
        rows = read_csv(verified_file(classifier, REFERENCE_ROWS_FILE))
        if features.ndim != 2 or len(features) != len(rows):
            raise ValueError(f"{features.shape} numbers beside {len(rows)} names")
        if not all({"path", "class_name"} <= row.keys() for row in rows):
            raise ValueError(f"{REFERENCE_ROWS_FILE} lacks a column")
    except (ValueError, EOFError, AttributeError, csv.Error) as error:
        raise invalid_file_error(file, error) from None
    there = (classifier.folder / REFERENCE_IMAGES_FILE).exists()
    return ReferenceSet(
        features=features,
        rows=rows,
        images=verified_file(classifier, REFERENCE_IMAGES_FILE) if there else None,
    )


def find_neighbors(known: ReferenceSet, pooled: NDArray[np.float32], count: int) -> list[Neighbor]:
    """The `count` training images nearest to one with these pooled features, in order."""
    distances = 1 - known.features @ normalize_vectors(pooled)
    some = np.argpartition(distances, min(count, len(distances)) - 1)[:count]
    places = some[np.lexsort((some, distances[some]))]
    return [
        Neighbor(
            place=int(n),
            path=known.rows[n]["path"],
            class_name=known.rows[n]["class_name"],
            distance=max(0.0, float(distances[n])),
        )
        for n in places
    ]


def read_reference_image(known: ReferenceSet, place: int) -> bytes:
    """The small image of a training image, WebP. KeyError if it is not there."""
    if known.images is None:
        raise KeyError(place)
    with zipfile.ZipFile(known.images) as archive:
        found = archive.getinfo(f"{place}.webp")
        if found.file_size > MAX_IMAGE_BYTES:
            raise KeyError(place)
        return archive.read(found)
