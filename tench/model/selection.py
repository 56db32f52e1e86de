"""Whether one model is better than another on the same images by more than chance.

For choices made during training, at 1.5 standard errors. Reports use the exact tests of
`tench.evaluate.statistics`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.data.index import row_weights

MIN_STANDARD_ERRORS = 1.5


def is_significantly_above(differences: NDArray[np.floating[Any]]) -> bool:
    """Test whether paired differences are above zero: sum(d) > 1.5 sqrt(sum(d²)).

    For differences of -1, 0 and 1 this is McNemar's test without continuity correction, one-sided,
    at about 7 % (McNemar, Psychometrika 1947).

    Args:
        differences: (images,), one per image; zeros have no influence.
    """
    return bool(differences.sum() > MIN_STANDARD_ERRORS * np.sqrt((differences**2).sum()))


def is_significantly_better(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    labels: NDArray[np.integer],
    balanced: bool = False,
) -> bool:
    """Test whether the second of two models is significantly more accurate on the same images.

    The best of several epochs is partly luck, the more so the fewer images validation has.

    Args:
        before: (images,), whether the first model is correct.
        after: (images,), whether the second model is correct.
        labels: (images,), the true classes.
        balanced: weight images so that every class counts the same.
    """
    difference = after.astype(float) - before.astype(float)
    return is_significantly_above(row_weights(labels, balanced) * difference)
