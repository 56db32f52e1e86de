"""Whether a difference between two models on the same images is more than chance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MIN_STANDARD_ERRORS = 1.5  # standard errors


def is_significantly_above(changes: NDArray[np.floating[Any]]) -> bool:
    """Whether differences, one an image, are above zero on average by more than CLEARLY standard
    errors; images whose difference is zero say nothing.

    Of differences that are -1, 0 or 1 it is McNemar's test, without continuity correction, at about
    7 % (McNemar, Psychometrika 1947).
    """
    return bool(changes.sum() > MIN_STANDARD_ERRORS * np.sqrt((changes**2).sum()))
