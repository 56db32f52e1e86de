"""How far a picture lies from those the classifier was trained on: its nearest neighbours.

Distances are 1 - cosine of two pictures' pooled features, 0 ... 2; small ones mean alike to the
network.
"""

import csv
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import read_csv
from tench.exported.folder import (
    NEIGHBOUR_PICTURES,
    NEIGHBOUR_ROWS,
    NEIGHBOURS,
    Exported,
    checked,
    misfit,
)

MOST = 2**20  # bytes of a small picture: an archive may unfold to any number


class Neighbour(NamedTuple):
    """A training picture."""

    place: int  # among those that were kept
    path: str
    class_name: str
    distance: float


class Neighbours(NamedTuple):
    """The training pictures that were kept to compare with."""

    features: NDArray[np.float32]  # (pictures, channels), unit vectors
    rows: list[dict[str, str]]  # path and class_name of each
    pictures: Path | None  # NEIGHBOUR_PICTURES, unless it was taken out of the folder


def unit(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (..., channels) of length 1 in their direction; zero stays zero."""
    lengths = np.linalg.norm(features, axis=-1, keepdims=True)
    return np.asarray(features / np.where(lengths > 0, lengths, 1), np.float32)


def read_neighbours(classifier: Exported) -> Neighbours:
    """The training pictures of an exported classifier. Raises TenchError if a file is damaged, or
    not what Tench exports."""
    file = checked(classifier, NEIGHBOURS)
    try:  # an array alone: a pickle in it would be a program
        features = np.load(file, allow_pickle=False).astype(np.float32)
        rows = read_csv(checked(classifier, NEIGHBOUR_ROWS))
        if features.ndim != 2 or len(features) != len(rows):
            raise ValueError(f"{features.shape} numbers beside {len(rows)} names")
        if not all({"path", "class_name"} <= row.keys() for row in rows):
            raise ValueError(f"{NEIGHBOUR_ROWS} lacks a column")
    except (ValueError, EOFError, AttributeError, csv.Error) as error:
        raise misfit(file, error) from None
    there = (classifier.folder / NEIGHBOUR_PICTURES).exists()
    return Neighbours(
        features=features,
        rows=rows,
        pictures=checked(classifier, NEIGHBOUR_PICTURES) if there else None,
    )


def nearest(known: Neighbours, pooled: NDArray[np.float32], count: int) -> list[Neighbour]:
    """The `count` training pictures nearest to one with these pooled features, in order."""
    distances = 1 - known.features @ unit(pooled)
    some = np.argpartition(distances, min(count, len(distances)) - 1)[:count]
    places = some[np.lexsort((some, distances[some]))]
    return [
        Neighbour(
            place=int(n),
            path=known.rows[n]["path"],
            class_name=known.rows[n]["class_name"],
            distance=max(0.0, float(distances[n])),
        )
        for n in places
    ]


def small_picture(known: Neighbours, place: int) -> bytes:
    """The small picture of a training picture, WebP. KeyError if it is not there."""
    if known.pictures is None:
        raise KeyError(place)
    with zipfile.ZipFile(known.pictures) as archive:
        found = archive.getinfo(f"{place}.webp")
        if found.file_size > MOST:
            raise KeyError(place)
        return archive.read(found)
