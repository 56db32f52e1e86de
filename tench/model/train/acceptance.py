"""Whether fine-tuning has made a model better, as far as the validation images can tell."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.data.index import row_weights
from tench.model.network.batch_predict import predict_activations
from tench.model.network.classifier import with_activation
from tench.model.selection import is_significantly_above
from tench.model.train.loop import Examples, train_model
from tench.model.train.training_config import TrainingConfig


def is_significantly_better(
    before: NDArray[np.bool_],
    after: NDArray[np.bool_],
    labels: NDArray[np.integer],
    balanced: bool = False,
) -> bool:
    """Whether a model is right so much more often than another on the same images that chance
    alone seldom does it.

    Without it, fine-tuning is kept for luck where validation has few images: of the best epoch of
    several, luck is what one sees first.

    Args:
        before: (images,), whether the first model is right.
        after: (images,), whether the second is.
        labels: (images,).
        balanced: whether all classes weigh the same.
    """
    change = after.astype(float) - before.astype(float)
    return is_significantly_above(row_weights(labels, balanced) * change)


def predict_correct(logits: Any, examples: Examples) -> NDArray[np.bool_]:
    """Whether a model that puts out logits names each example rightly."""
    places = np.arange(len(examples.labels))
    said = predict_activations(examples.read, places, with_activation(logits))
    return np.asarray(said.argmax(axis=1) == examples.labels)


def fit_if_better(
    logits: Any,
    activation: str,
    train: Examples,
    val: Examples,
    how: TrainingConfig,
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
    model = with_activation(logits, activation)
    if not how.patience:
        return train_model(model, train, val, how, folder, work, label)
    start, before = logits.get_weights(), predict_correct(logits, val)
    kept = train_model(model, train, val, how, folder, work, label)
    if is_significantly_better(before, predict_correct(logits, val), val.labels, how.balanced):
        return kept
    logits.set_weights(start)
    return how.first - 1
