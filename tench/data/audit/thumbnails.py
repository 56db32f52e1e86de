"""Gray thumbnails, and their partial correlation given the mean image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_SIZE = 32  # pixels
PAIRS_AT_ONCE = 1024
MIN_NORM = 1e-6  # gray levels; below it are rounding errors of a uniform image

Thumbnails = NDArray[np.uint8]  # (images, THUMBNAIL_SIZE, THUMBNAIL_SIZE)


def make_thumbnail(image: Image.Image) -> NDArray[np.uint8]:
    """Convert to gray and downscale: uint8 (THUMBNAIL_SIZE, THUMBNAIL_SIZE)."""
    return np.asarray(
        image.convert("L").resize((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.BOX)
    )


def residuals(images: NDArray[Any], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit residuals of images after projecting out brightness and the mean image.

    Args:
        images: (n, THUMBNAIL_SIZE, THUMBNAIL_SIZE).
        common: mean image, (THUMBNAIL_SIZE, THUMBNAIL_SIZE).

    Returns:
        (n, THUMBNAIL_SIZE ** 2), rows of length one, or zero where nothing remains.
    """
    rest = images.reshape(len(images), -1).astype(np.float64)
    rest -= rest.mean(axis=1, keepdims=True)
    shared = common.ravel() - common.mean()
    if norm := float(shared @ shared):
        rest -= np.outer(rest @ shared / norm, shared)
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(np.divide(rest, length, out=np.zeros_like(rest), where=length > MIN_NORM))


def partial_correlations(
    thumbnails: Thumbnails, pairs: NDArray[np.int64], common: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Partial correlation of the pixels of image pairs, given the mean image.

    The second image is also mirrored; the larger correlation counts.

    Args:
        thumbnails: all images.
        pairs: (pairs, 2), indices of the images.
        common: mean image, (THUMBNAIL_SIZE, THUMBNAIL_SIZE).

    Returns:
        (pairs,), in [-1, 1]; 0 where an image does not differ from the mean.
    """
    correlations = np.empty(len(pairs))
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        first, second = thumbnails[pairs[start : start + PAIRS_AT_ONCE].T]
        left = residuals(first, common)
        rights = [residuals(image, common) for image in (second, second[:, :, ::-1])]
        correlations[start : start + PAIRS_AT_ONCE] = np.max(
            [(left * right).sum(axis=1) for right in rights], axis=0
        )
    return correlations
