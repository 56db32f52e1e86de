"""Nearest neighbors in the reference set, the training images in an export.

Distances are 1 - cosine of two images' pooled features, 0 to 2.
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

MAX_IMAGE_BYTES = 2**20  # bytes of a thumbnail; guards against decompression bombs


class Neighbor(NamedTuple):
    """A training image near another image."""

    row: int  # in the reference set
    path: str
    class_name: str
    distance: float


class ReferenceSet(NamedTuple):
    """Training images in an export, to find nearest neighbors among."""

    features: NDArray[np.float32]  # (images, channels), unit vectors
    rows: list[dict[str, str]]  # path and class_name of each
    images: Path | None  # REFERENCE_IMAGES_FILE, unless it was deleted


def normalize_vectors(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale vectors (..., channels) to unit length; zero vectors stay zero."""
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)


def read_reference_set(classifier: ExportedClassifier) -> ReferenceSet:
    """Read the reference set of an exported classifier.

    Raises:
        TenchError: A file is missing, damaged or not exported by Tench.
    """
    file = verified_file(classifier, REFERENCE_FEATURES_FILE)
    try:
        # a pickle could run any program
        features = np.load(file, allow_pickle=False).astype(np.float32)
        rows = read_csv(verified_file(classifier, REFERENCE_ROWS_FILE))
        if features.ndim != 2 or len(features) != len(rows):
            raise ValueError(f"features of shape {features.shape} for {len(rows)} rows")
        if not all({"path", "class_name"} <= row.keys() for row in rows):
            raise ValueError(f"{REFERENCE_ROWS_FILE} lacks a column")
    except (ValueError, EOFError, AttributeError, csv.Error) as error:
        raise invalid_file_error(file, error) from None
    has_images = (classifier.folder / REFERENCE_IMAGES_FILE).exists()
    return ReferenceSet(
        features=features,
        rows=rows,
        images=verified_file(classifier, REFERENCE_IMAGES_FILE) if has_images else None,
    )


def find_neighbors(
    reference_set: ReferenceSet, pooled: NDArray[np.float32], count: int
) -> list[Neighbor]:
    """Find the `count` reference images nearest to pooled features (channels,), nearest first."""
    distances = 1 - reference_set.features @ normalize_vectors(pooled)
    nearest = np.argpartition(distances, min(count, len(distances)) - 1)[:count]
    nearest = nearest[np.lexsort((nearest, distances[nearest]))]
    return [
        Neighbor(
            row=int(row),
            path=reference_set.rows[row]["path"],
            class_name=reference_set.rows[row]["class_name"],
            distance=max(0.0, float(distances[row])),
        )
        for row in nearest
    ]


def read_reference_image(reference_set: ReferenceSet, row: int) -> bytes:
    """Read the thumbnail of a reference image, WebP.

    Raises:
        KeyError: The export does not contain it.
    """
    if reference_set.images is None:
        raise KeyError(row)
    with zipfile.ZipFile(reference_set.images) as archive:
        entry = archive.getinfo(f"{row}.webp")
        if entry.file_size > MAX_IMAGE_BYTES:
            raise KeyError(row)
        return archive.read(entry)
