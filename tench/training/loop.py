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
from tench.pictures.index import Row, class_weight, labels_of
from tench.pictures.shards import open_shards, read_rows
from tench.training.settings import Training

Figures = dict[str, float]  # loss and accuracy


class Examples(NamedTuple):
    """What to learn from: rows, read when they are needed, and their labels."""

    read: Callable[[NDArray[np.int64]], NDArray[Any]]  # row numbers to an array, a row for each
    labels: NDArray[np.int32]


def stored(folder: Path, rows: Sequence[Row]) -> Examples:
    """The shards in `folder`, of the pictures `rows`, with their labels. Raises TenchError."""
    return Examples(partial(read_rows, open_shards(folder, rows)), labels_of(rows))


def features_of(examples: Examples) -> int:
    """How many numbers a row has, where rows are vectors."""
    return int(examples.read(np.arange(1)).shape[1])


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


def order_of(rows: int, how: Training, epoch: int) -> NDArray[np.int64]:
    """The row numbers of an epoch: all of them, and again in another order until they make the
    steps that an epoch has at least."""
    passes = math.ceil(how.min_steps / math.ceil(rows / how.batch_size))
    again = [np.random.default_rng((how.seed, epoch, 1 + n)) for n in range(1, passes)]
    first = shuffled(rows, how.seed, epoch)
    return np.concatenate([first, *(rng.permutation(rows) for rng in again)])


def reseed_dropout(model: Any, seed: int, epoch: int) -> None:
    """Set every dropout layer's random state to one that follows from (seed, epoch) alone."""
    state = np.random.default_rng((seed, epoch, 1)).integers(0, 2**32, 2, np.uint32)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            variable.assign(state)


def compiled(model: Any, optimizer: Any = None) -> None:
    """Set up a model to be scored, and with an optimiser to be trained."""
    loss = keras.losses.SparseCategoricalCrossentropy()
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])


def live_in(folder: Path) -> Any:
    """DVCLive, which writes to a folder and nothing else."""
    return Live(str(folder), report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False)


def fit(model: Any, train: Examples, val: Examples, how: Training, folder: Path, label: str) -> int:
    """Train `model` in place, by Adam on sparse categorical cross-entropy.

    Shuffling and dropout follow from (seed, epoch), so that an epoch does not depend on how many
    went before it in this process.

    With `average_weights`, every epoch ends with an exponential mean of the weights over its steps,
    with the centre of mass of a plain mean: momentum 1 - 2 / (steps + 1). A seventh of it (e^-2) is
    the weights that the epoch began with, from the second epoch on the mean that ended the one
    before. Averages of late weights are steadier and generalise better than the last ones (Izmailov
    et al. 2018, https://arxiv.org/abs/1803.05407).

    Args:
        model: inputs to class probabilities.
        train: to learn from.
        val: scored after every epoch.
        how: epochs, optimiser, and when to stop.
        folder: where DVCLive writes loss and accuracy of every epoch.
        label: of the progress bar.

    Returns:
        the epoch whose weights the model has at the end: with patience the one with the best
        accuracy on `val`, of those equal the one with the least loss; else the last.
    """
    steps = math.ceil(len(order_of(len(train.labels), how, how.first)) / how.batch_size)
    momentum = 1 - 2 / (steps + 1)
    adam = keras.optimizers.Adam(
        how.learning_rate, use_ema=how.average_weights, ema_momentum=momentum
    )
    compiled(model, adam)
    # What makes variables in the first step has it traced twice.
    adam.build(model.trainable_variables)
    model.compute_metrics(None, train.labels[:1], np.ones((1, model.output_shape[-1])))
    weights = class_weight(train.labels) if how.balanced else None
    learn = partial(model.train_on_batch, class_weight=weights)
    in_order = np.arange(len(val.labels))
    best, risen = Best(how.last, (-1.0, 0.0), []), how.first
    with live_in(folder) as live:
        for epoch in range(how.first, how.last + 1):
            reseed_dropout(model, how.seed, epoch)
            order = order_of(len(train.labels), how, epoch)
            with progress(None, f"{label} {epoch}/{how.last}", len(order)) as bar:
                learned = run(learn, batches(train, how.batch_size, order), bar)
                model.optimizer.finalize_variable_values(model.trainable_variables)  # the mean
                scored = run(model.test_on_batch, batches(val, how.batch_size, in_order))
                bar.set_postfix_str(
                    f"loss {learned['loss']:.3f} accuracy {learned['accuracy']:.3f} "
                    f"val {scored['loss']:.3f} {scored['accuracy']:.3f}"
                )
            log_epoch(live, epoch, learned, scored)
            if how.patience:
                merit = (scored["accuracy"], -scored["loss"])
                risen = epoch if merit[0] > best.merit[0] else risen
                if merit > best.merit:
                    best = Best(epoch, merit, model.get_weights())
                if epoch - risen >= how.patience:
                    break
    if how.patience:
        model.set_weights(best.weights)
    return best.epoch


class Best(NamedTuple):
    """The best epoch so far."""

    epoch: int
    merit: tuple[float, float]  # validation accuracy, and the loss's negative
    weights: list[Any]


def log_epoch(live: Any, epoch: int, learned: Figures, scored: Figures) -> None:
    """Let DVCLive write an epoch's loss and accuracy, in training and on validation."""
    live.step = epoch
    for split, figures in (("train", learned), ("val", scored)):
        for metric, value in figures.items():
            live.log_metric(f"{split}/{metric}", value)
    live.make_summary()


def log_fitted(model: Any, train: Examples, val: Examples, batch: int, folder: Path) -> None:
    """Log a model that was fitted without epochs as if in one."""
    compiled(model)
    learned, scored = (
        run(model.test_on_batch, batches(part, batch, np.arange(len(part.labels))))
        for part in (train, val)
    )
    with live_in(folder) as live:
        log_epoch(live, 1, learned, scored)


def run(
    step: Callable[..., Figures],
    examples: Iterator[tuple[NDArray[Any], NDArray[np.int32]]],
    bar: Any = None,
) -> Figures:
    """Run Keras's `step` on every batch; return the mean of its loss and accuracy over examples.

    Step by step rather than by fit, whose input threads cost more than they bring: reading a batch
    takes a hundredth of a step.
    """
    totals: Figures = {"loss": 0.0, "accuracy": 0.0}
    count = 0
    for inputs, labels in examples:
        figures = step(inputs, labels, return_dict=True)
        count += len(labels)
        for metric in totals:
            totals[metric] += float(figures[metric]) * len(labels)
        if bar is not None:
            bar.update(len(labels))
    return {metric: total / count for metric, total in totals.items()}
