"""Pictures at a glance, and how alike two of them are in what is their own."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GLANCE = 32  # pixels a side
PAIRS = 1024  # compared at a time
NOTHING = 1e-6  # grey levels, rounding errors of an even picture

Glances = NDArray[np.uint8]  # (pictures, GLANCE, GLANCE): half as many bytes as the index takes


def glance(picture: Image.Image) -> NDArray[np.uint8]:
    """A picture at GLANCE pixels a side, grey."""
    return np.asarray(picture.convert("L").resize((GLANCE, GLANCE), Image.Resampling.BOX))


def own(pictures: NDArray[Any], common: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each picture has beside brightness and any amount of what all have in common: the rest
    after projecting both out, of length one; 0 where nothing is left.

    Args:
        pictures: (n, GLANCE, GLANCE).
        common: (GLANCE, GLANCE).

    Returns:
        (n, GLANCE * GLANCE).
    """
    rest = pictures.reshape(len(pictures), -1).astype(np.float64)
    rest -= rest.mean(axis=1, keepdims=True)
    shared = common.ravel() - common.mean()
    if norm := float(shared @ shared):
        rest -= np.outer(rest @ shared / norm, shared)
    length = np.linalg.norm(rest, axis=1, keepdims=True)
    return np.asarray(np.divide(rest, length, out=np.zeros_like(rest), where=length > NOTHING))


def correlations(
    seen: Glances, pairs: NDArray[np.int64], common: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How alike two pictures are at a glance in what is their own: the partial correlation of their
    pixels, -1 ... 1, given what all have in common; or of one with the other's mirror image if that
    is larger; 0 where one has nothing of its own.

    Args:
        seen: the pictures.
        pairs: (pairs, 2), their places.
        common: (GLANCE, GLANCE).

    Returns:
        (pairs,).
    """
    alike = np.empty(len(pairs))
    for start in range(0, len(pairs), PAIRS):
        first, second = seen[pairs[start : start + PAIRS].T]
        mine = own(first, common)
        sides = [own(side, common) for side in (second, second[:, :, ::-1])]
        alike[start : start + PAIRS] = np.max([(mine * side).sum(axis=1) for side in sides], axis=0)
    return alike
