"""Fine-tuning that is discarded unless validation accuracy improves significantly."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.model.network.batch_predict import predict_activations
from tench.model.network.classifier import with_activation
from tench.model.selection import is_significantly_better
from tench.model.train.loop import Examples, train_model
from tench.model.train.training_config import TrainingConfig


def predict_correct(logits: Any, examples: Examples) -> NDArray[np.bool_]:
    """Whether a model's prediction is correct, for every example, (examples,).

    Args:
        logits: a model whose outputs are logits.
        examples: inputs and labels.
    """
    rows = np.arange(len(examples.labels))
    probabilities = predict_activations(examples.read, rows, with_activation(logits))
    return np.asarray(probabilities.argmax(axis=1) == examples.labels)


def fit_if_better(
    logits: Any,
    activation: str,
    train: Examples,
    val: Examples,
    config: TrainingConfig,
    log_dir: Path,
    work: Path,
    label: str,
) -> int:
    """Train a model in place; with patience, restore its weights unless it is significantly better.

    Args:
        logits: the model, whose outputs are logits.
        activation: of the output during training, sigmoid or softmax.
        train, val, config, log_dir, work, label: as in `train_model`.

    Returns:
        the epoch of the final weights; the one before the first if they were restored.
    """
    model = with_activation(logits, activation)
    if not config.patience:
        return train_model(model, train, val, config, log_dir, work, label)
    initial_weights, before = logits.get_weights(), predict_correct(logits, val)
    best = train_model(model, train, val, config, log_dir, work, label)
    if is_significantly_better(before, predict_correct(logits, val), val.labels, config.balanced):
        return best
    logits.set_weights(initial_weights)
    return config.first_epoch - 1
