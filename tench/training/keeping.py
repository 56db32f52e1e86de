"""Whether fine-tuning has made a model better, as far as the validation pictures can tell."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.chance import clearly_above
from tench.network.answers import of_activations
from tench.network.classifier import with_output
from tench.pictures.index import row_weights
from tench.training.loop import Examples, fit
from tench.training.settings import Training


def clearly_better(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    labels: NDArray[np.integer],
    balanced: bool = False,
) -> bool:
    """Whether a model is right so much more often than another on the same pictures that chance
    alone seldom does it.

    Without it, fine-tuning is kept for luck where validation has few pictures: of the best epoch of
    several, luck is what one sees first.

    Args:
        before: (pictures,), whether the first model is right.
        after: (pictures,), whether the second is.
        labels: (pictures,).
        balanced: whether all classes weigh the same.
    """
    change = after.astype(float) - before.astype(float)
    return clearly_above(row_weights(labels, balanced) * change)


def right(logits: Any, examples: Examples) -> NDArray[np.bool_]:
    """Whether a model that puts out logits names each example rightly."""
    places = np.arange(len(examples.labels))
    said = of_activations(examples.read, places, with_output(logits))
    return np.asarray(said.argmax(axis=1) == examples.labels)


def fit_if_better(
    logits: Any,
    activation: str,
    train: Examples,
    val: Examples,
    how: Training,
    folder: Path,
    work: Path,
    label: str,
) -> int:
    """Train a model on from where it is; with patience, only if that makes it clearly better.

    Args:
        logits: the model, which puts out logits; trained with their `activation`.
        activation: of the output in training.
        train, val, how, folder, work, label: as of `fit`.

    Returns:
        the epoch whose weights the model has at the end; the one before the first where it is left
        as it was.
    """
    model = with_output(logits, activation)
    if not how.patience:
        return fit(model, train, val, how, folder, work, label)
    start, before = logits.get_weights(), right(logits, val)
    kept = fit(model, train, val, how, folder, work, label)
    if clearly_better(before, right(logits, val), val.labels, how.balanced):
        return kept
    logits.set_weights(start)
    return how.first - 1
