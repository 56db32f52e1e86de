"""Images at a glance, and how alike two of them are in what is their own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIZE = 32  # pixels a side
PAIRS_AT_ONCE = 1024  # compared at a time
MIN_NORM = 1e-6  # gray levels, rounding errors of an even image

Thumbnails = NDArray[np.uint8]  # (images, GLANCE, GLANCE): half as many bytes as the index takes


def make_thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """An image at GLANCE pixels a side, gray."""
    return np.asarray(
        image.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    )


def residuals(images: NDArray[Any], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each image has beside brightness and any amount of what all have in common: the rest
    after projecting both out, of length one; 0 where nothing is left.

    Args:
        images: (n, GLANCE, GLANCE).
        common: (GLANCE, GLANCE).

    Returns:
        (n, GLANCE * GLANCE).
    """
    rest = images.reshape(len(images), -1).astype(np.float64)
    rest -= rest.mean(axis=1, keepdims=True)
    shared = common.ravel() - common.mean()
    if norm := float(shared @ shared):
        rest -= np.outer(rest @ shared / norm, shared)
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(np.divide(rest, length, out=np.zeros_like(rest), where=length > MIN_NORM))


def partial_correlations(
    seen: Thumbnails, pairs: NDArray[np.int64], common: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How alike two images are at a glance in what is their own: the partial correlation of their
    pixels, -1 ... 1, given what all have in common; or of one with the other's mirror image if that
    is larger; 0 where one has nothing of its own.

    Args:
        seen: the images.
        pairs: (pairs, 2), their places.
        common: (GLANCE, GLANCE).

    Returns:
        (pairs,).
    """
    alike = np.empty(len(pairs))
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        first, second = seen[pairs[start : start + PAIRS_AT_ONCE].T]
        mine = residuals(first, common)
        sides = [residuals(side, common) for side in (second, second[:, :, ::-1])]
        alike[start : start + PAIRS_AT_ONCE] = np.max(
            [(mine * side).sum(axis=1) for side in sides], axis=0
        )
    return alike
