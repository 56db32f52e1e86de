"""The training loop: Keras's steps, batch by batch, seeded by epoch, watched by DVCLive."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dvclive.live import Live
from numpy.typing import NDArray

from tench.console.progress import progress
from tench.network.runtime import keras
from tench.pictures.index import Row, labels_of
from tench.pictures.shards import open_shards, read_rows


class Examples(NamedTuple):
    """What to learn from: rows, read when they are needed, and their labels."""

    read: Callable[[NDArray[np.int64]], NDArray[Any]]  # row numbers to an array, a row for each
    labels: NDArray[np.int32]


def stored(folder: Path, rows: Sequence[Row]) -> Examples:
    """The shards in `folder`, of the pictures `rows`, with their labels. Raises TenchError."""
    return Examples(partial(read_rows, open_shards(folder, rows)), labels_of(rows))


class Epochs(NamedTuple):
    """Which epochs to train, counted from 1."""

    first: int
    last: int


def batches(
    examples: Examples, batch_size: int, order: NDArray[np.int64]
) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """Inputs and labels of the rows numbered `order`, `batch_size` at a time."""
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield examples.read(rows), examples.labels[rows]


def shuffled(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The row numbers 0 ... rows - 1 in an order that follows from (seed, epoch) alone."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def reseed_dropout(model: Any, seed: int, epoch: int) -> None:
    """Set every dropout layer's random state to one that follows from (seed, epoch) alone."""
    state = np.random.default_rng((seed, epoch, 1)).integers(0, 2**32, 2, np.uint32)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            variable.assign(state)


def fit(
    model: Any,
    train: Examples,
    val: Examples,
    epochs: Epochs,
    learning_rate: float,
    batch_size: int,
    seed: int,
    folder: Path,
    label: str,
    average_weights: bool = False,
) -> None:
    """Train `model` in place, by Adam on sparse categorical cross-entropy.

    Shuffling and dropout follow from (seed, epoch), so that an epoch does not depend on how many
    went before it in this process.

    Args:
        model: inputs to class probabilities.
        train: to learn from.
        val: scored after every epoch.
        epochs: which, counted from 1.
        learning_rate: of Adam.
        batch_size: examples a step.
        seed: of shuffling and dropout.
        folder: where DVCLive writes loss and accuracy of every epoch.
        label: of the progress bar.
        average_weights: end every epoch with an exponential mean of the weights over its steps,
            with the centre of mass of a plain mean: momentum 1 - 2 / (steps + 1). A seventh of it
            (e^-2) is the weights that the epoch began with, from the second epoch on the mean that
            ended the one before. Averages of late weights are steadier and generalise better than
            the last ones (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407).
    """
    steps = math.ceil(len(train.labels) / batch_size)
    model.compile(
        optimizer=keras.optimizers.Adam(
            learning_rate, use_ema=average_weights, ema_momentum=1 - 2 / (steps + 1)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)  # else the first step is traced twice
    in_order = np.arange(len(val.labels))
    with Live(
        str(folder), report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False
    ) as live:
        for epoch in range(epochs.first, epochs.last + 1):
            reseed_dropout(model, seed, epoch)
            order = shuffled(len(train.labels), seed, epoch)
            with progress(None, f"{label} {epoch}/{epochs.last}", len(order)) as bar:
                learned = run(model.train_on_batch, batches(train, batch_size, order), bar)
                model.optimizer.finalize_variable_values(model.trainable_variables)  # the mean
                scored = run(model.test_on_batch, batches(val, batch_size, in_order))
                bar.set_postfix_str(
                    f"loss {learned['loss']:.3f} accuracy {learned['accuracy']:.3f} "
                    f"val {scored['loss']:.3f} {scored['accuracy']:.3f}"
                )
            live.step = epoch
            for split, figures in (("train", learned), ("val", scored)):
                for metric, value in figures.items():
                    live.log_metric(f"{split}/{metric}", value)
            live.make_summary()


def run(
    step: Callable[..., dict[str, float]],
    examples: Iterator[tuple[NDArray[Any], NDArray[np.int32]]],
    bar: Any = None,
) -> dict[str, float]:
    """Run Keras's `step` on every batch; return the mean of its loss and accuracy over examples.

    Step by step rather than by fit, whose input threads cost more than they bring: reading a batch
    takes a hundredth of a step.
    """
    totals: dict[str, float] = {"loss": 0.0, "accuracy": 0.0}
    count = 0
    for inputs, labels in examples:
        figures = step(inputs, labels, return_dict=True)
        count += len(labels)
        for metric in totals:
            totals[metric] += float(figures[metric]) * len(labels)
        if bar is not None:
            bar.update(len(labels))
    return {metric: total / count for metric, total in totals.items()}
