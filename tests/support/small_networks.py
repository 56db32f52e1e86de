"""Images, head parameters and random weights for tests of the network."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.params import ExtractTrain


def head_params(
    activation: str = "sigmoid", dropout: float = 0.2, solver: Any = "adam"
) -> ExtractTrain:
    """The parameters of the paper's head."""
    return ExtractTrain(
        dense_units=64,
        dropout=dropout,
        activation=activation,
        learning_rate=1e-4,
        batch_size=32,
        epochs=3,
        min_steps_per_epoch=1,
        patience=0,
        solver=solver,
    )


def set_random_weights(model: Any, seed: int, spread: float = 0.5) -> None:
    """Set every weight, BatchNorm's statistics too, to random values large enough to matter.

    Scales and variances differ from 1 by at most `spread`.
    """
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0, 1, weight.shape)
        if len(weight.shape) > 1:
            depthwise = weight.shape[-1] == 1
            value *= np.sqrt(2 / np.prod(weight.shape[: -2 if depthwise else -1]))
        elif weight.name in {"gamma", "moving_variance"}:
            value = rng.uniform(1 - spread, 1 + spread, weight.shape)
        weight.assign(value * (0.1 if weight.name in {"beta", "moving_mean", "bias"} else 1))


def make_noise_images(size: int) -> NDArray[np.float64]:
    """Four square images of noise of different brightness, in [0, 255]."""
    noise = np.random.default_rng(2).uniform(0, 128, (4, size, size, 3))
    return noise + np.array([0, 30, 60, 120])[:, None, None, None]
