"""Whether a difference between two models on the same pictures is more than chance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CLEARLY = 1.5  # standard errors


def clearly_above(changes: NDArray[np.floating[Any]]) -> bool:
    """Whether differences, one a picture, are above zero on average by more than CLEARLY standard
    errors; pictures whose difference is zero say nothing.

    Of differences that are -1, 0 or 1 it is McNemar's test, without continuity correction, at about
    7 % (McNemar, Psychometrika 1947).
    """
    return bool(changes.sum() > CLEARLY * np.sqrt((changes**2).sum()))
