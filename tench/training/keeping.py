"""Whether fine-tuning has made a model better, as far as the validation pictures can tell."""

import numpy as np
from numpy.typing import NDArray

from tench.pictures.index import class_weight

CLEARLY = 1.5  # standard errors


def clearly_better(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    labels: NDArray[np.integer],
    balanced: bool = False,
) -> bool:
    """Whether a model is right so much more often than another on the same pictures that chance
    alone seldom does it: by more than CLEARLY standard errors of the difference.

    Without it, fine-tuning is kept for luck where validation has few pictures: of the best epoch of
    several, luck is what one sees first. Pictures that both have right or both wrong say nothing;
    with equal weights it is McNemar's test, without continuity correction, at about 7 % (McNemar,
    Psychometrika 1947).

    Args:
        before: (pictures,), whether the first model is right.
        after: (pictures,), whether the second is.
        labels: (pictures,).
        balanced: whether all classes weigh the same.
    """
    weights = np.ones(len(labels))
    if balanced:
        of_class = class_weight(labels)
        weights = np.array([of_class[int(label)] for label in labels])
    change = weights * (after.astype(float) - before.astype(float))
    return bool(change.sum() > CLEARLY * np.sqrt((change**2).sum()))
