"""The training loop: Keras's steps, batch by batch, seeded by epoch, watched by DVCLive."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dvclive.live import Live
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.data.index import Row, row_labels, row_weights, rows_in_split
from tench.data.store.shards import open_shards, read_rows, select_rows
from tench.model.network.batching import pad_batch
from tench.model.network.keras_setup import keras
from tench.model.train.checkpoint import (
    EpochMetrics,
    EpochResult,
    restore_checkpoint,
    save_checkpoint,
)
from tench.model.train.training_config import TrainingConfig
from tench.run.progress import progress_bar

Batch = tuple[NDArray[Any], ...]  # inputs, labels (int32), weights (float32), all of one length

BALANCED = "balanced_accuracy"  # name of a metric


class Examples(NamedTuple):
    """What to learn from: rows, read when they are needed, and their labels."""

    read: Callable[[NDArray[np.int64]], NDArray[Any]]  # row numbers to an array, a row for each
    labels: NDArray[np.int32]


def load_examples(folder: Path, rows: Sequence[Row]) -> tuple[Examples, Examples]:
    """The training and the validation images among all `rows` of the index, as the shards in
    `folder` have them, with their labels. Raises TenchError."""
    shards = open_shards(folder, rows)

    def of(split: str) -> Examples:
        part = rows_in_split(rows, split)
        return Examples(partial(read_rows, select_rows(shards, part)), row_labels(part))

    return of("train"), of("val")


def feature_count(examples: Examples) -> int:
    """How many numbers a row has, where rows are vectors."""
    return int(examples.read(np.arange(1)).shape[1])


def iterate_batches(
    examples: Examples, batch_size: int, order: NDArray[np.int64], balanced: bool = False
) -> Iterator[Batch]:
    """Inputs, labels and weights of the rows numbered `order`, `batch_size` at a time.

    The last batch is filled up with rows that weigh nothing, its own weigh the more, so that a mean
    over the batch is one over its rows: for another size every step would be traced anew.
    """
    of_rows = row_weights(examples.labels, balanced)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        weights = np.full(len(rows), batch_size / len(rows), np.float32)
        weights *= of_rows[rows]
        batch = examples.read(rows), examples.labels[rows], weights
        yield tuple(pad_batch(one, batch_size) for one in batch)


def shuffled_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The row numbers 0 ... rows - 1 in an order that follows from (seed, epoch) alone."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def epoch_order(rows: int, how: TrainingConfig, epoch: int) -> NDArray[np.int64]:
    """The row numbers of an epoch: all of them, and again in another order until they make the
    steps that an epoch has at least."""
    passes = math.ceil(how.min_steps_per_epoch / math.ceil(rows / how.batch_size))
    again = [np.random.default_rng((how.seed, epoch, 1 + n)) for n in range(1, passes)]
    first = shuffled_order(rows, how.seed, epoch)
    return np.concatenate([first, *(rng.permutation(rows) for rng in again)])


def reseed_dropout(model: Any, seed: int, epoch: int) -> None:
    """Set every dropout layer's random state to one that follows from (seed, epoch) alone."""
    state = np.random.default_rng((seed, epoch, 1)).integers(0, 2**32, 2, np.uint32)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            variable.assign(state)


def compile_model(model: Any, optimizer: Any = None, balanced: bool = False) -> None:
    """Set up a model to be scored, and with an optimizer to be trained; with `balanced`, balanced
    accuracy is one of the metrics."""
    loss = keras.losses.SparseCategoricalCrossentropy()
    metrics = [Accuracy("accuracy"), *([WeightedAccuracy(BALANCED)] if balanced else [])]
    model.compile(optimizer=optimizer, loss=loss, weighted_metrics=metrics)


class Accuracy(keras.metrics.SparseCategoricalAccuracy):  # type: ignore[misc]
    """Of the rows that weigh anything, each of which counts the same."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        super().update_state(y_true, y_pred, keras.ops.cast(sample_weight > 0, "float32"))


class WeightedAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """The sum of the weights of correct rows, divided by the rows of the batch.

    With the weights of `batches`, whose mean over a split is 1, the mean over its batches is the
    mean recall of its classes. Dividing by each batch's own weights would give another number.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        correct = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        super().update_state(correct * keras.ops.cast(sample_weight, correct.dtype))


def open_dvclive(folder: Path) -> Any:
    """DVCLive, which writes to a folder and nothing else."""
    return Live(str(folder), report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False)


def train_model(
    model: Any,
    train: Examples,
    val: Examples,
    how: TrainingConfig,
    folder: Path,
    work: Path,
    label: str,
) -> int:
    """Train `model` in place, by Adam on sparse categorical cross-entropy.

    Shuffling and dropout follow from (seed, epoch), so that an epoch does not depend on how many
    went before it in this process.

    With `ema`, every epoch ends with an exponential mean of the weights over its steps,
    with the center of mass of a plain mean: momentum 1 - 2 / (steps + 1). A seventh of it (e^-2) is
    the weights that the epoch began with, from the second epoch on the mean that ended the one
    before. Averages of late weights are steadier and generalize better than the last ones (Izmailov
    et al. 2018, https://arxiv.org/abs/1803.05407).

    Args:
        model: inputs to class probabilities.
        train: to learn from.
        val: scored after every epoch.
        how: epochs, optimizer, and when to stop.
        folder: where DVCLive writes loss and accuracy of every epoch.
        work: where the training is kept after every epoch; from what an equal one left there that
            was stopped, this one goes on.
        label: of the progress bar.

    Returns:
        the epoch whose weights the model has at the end: with patience the one with the best
        `criterion` on `val`, of those equal the one with the least loss; else the last.

    Raises:
        TenchError: the training diverged.
    """
    steps = math.ceil(len(epoch_order(len(train.labels), how, how.first)) / how.batch_size)
    momentum = 1 - 2 / (steps + 1)
    adam = keras.optimizers.Adam(how.learning_rate, use_ema=how.ema, ema_momentum=momentum)
    compile_model(model, adam, how.balanced)
    # What makes variables in the first step has it traced twice.
    adam.build(model.trainable_variables)
    said = np.ones((1, model.output_shape[-1]))
    model.compute_metrics(None, train.labels[:1], said, np.ones(1, np.float32))

    epochs, best_weights = restore_checkpoint(model, work)
    with open_dvclive(folder) as live:
        for epoch in epochs:
            log_epoch(live, epoch)
        try:
            while not is_finished(epochs, how):
                number = how.first + len(epochs)
                epoch = train_epoch(model, train, val, how, number, label)
                log_epoch(live, epoch)
                if how.patience and best_epoch([*epochs, epoch]) == epoch:
                    best_weights = model.get_weights()
                save_checkpoint(model, best_weights, epoch, work)
                epochs.append(epoch)
        except KeyboardInterrupt as stop:
            stop.add_note(f"{label}: epochs kept: {len(epochs)}")
            raise
        except FloatingPointError as error:
            key = f"{label.replace('-', '_')}.learning_rate"
            raise TenchError(
                f"{label}: training diverged in epoch {number}: {error}. "
                f"Lower {key} ({how.learning_rate:g}) in params.yaml, then run `dvc repro` again"
            ) from None
    if not how.patience:
        return how.last
    model.set_weights(best_weights)
    return best_epoch(epochs).number


def train_epoch(
    model: Any, train: Examples, val: Examples, how: TrainingConfig, number: int, label: str
) -> EpochResult:
    """Train for one epoch, and score on validation."""
    reseed_dropout(model, how.seed, number)
    order = epoch_order(len(train.labels), how, number)
    with progress_bar(None, f"{label} {number}/{how.last}", len(order)) as bar:
        learning = iterate_batches(train, how.batch_size, order, how.balanced)
        learned = run_steps(model.train_on_batch, learning, bar)
        model.optimizer.finalize_variable_values(model.trainable_variables)  # the mean
        in_order = np.arange(len(val.labels))
        scoring = iterate_batches(val, how.batch_size, in_order, how.balanced)
        scored = run_steps(model.test_on_batch, scoring)
        bar.set_postfix_str(
            f"loss {learned['loss']:.3f} accuracy {learned['accuracy']:.3f} "
            f"val {scored['loss']:.3f} {scored['accuracy']:.3f}"
        )
    return EpochResult(number, learned, scored)


def criterion(epoch: EpochResult) -> float:
    """What epochs are compared by, as `clearly_better` compares models: accuracy on validation, or
    balanced accuracy where all classes weigh the same in training."""
    if BALANCED in epoch.val_metrics:
        return round(
            epoch.val_metrics[BALANCED], 6
        )  # sums of float32 weights differ in the last digit
    return epoch.val_metrics["accuracy"]


def best_epoch(epochs: Sequence[EpochResult]) -> EpochResult:
    """The epoch with the best criterion, of those equal the one with the least loss on validation,
    of those the first."""
    return max(epochs, key=lambda one: (criterion(one), -one.val_metrics["loss"]))


def is_finished(epochs: Sequence[EpochResult], how: TrainingConfig) -> bool:
    """Whether a training is at its end: all epochs done, or the criterion last rose so many epochs
    ago that patience is at its end."""
    if len(epochs) > how.last - how.first:
        return True
    if not (how.patience and epochs):
        return False
    found = [criterion(one) for one in epochs]
    return len(epochs) - 1 - found.index(max(found)) >= how.patience


def log_epoch(live: Any, epoch: EpochResult) -> None:
    """Let DVCLive write an epoch's loss and accuracy, in training and on validation."""
    live.step = epoch.number
    for split, figures in (("train", epoch.train_metrics), ("val", epoch.val_metrics)):
        for metric, value in figures.items():
            live.log_metric(f"{split}/{metric}", value)
    live.make_summary()


def log_single_fit(
    model: Any, train: Examples, val: Examples, batch: int, balanced: bool, folder: Path
) -> None:
    """Log a model that was fitted without epochs as if in one."""
    compile_model(model, balanced=balanced)
    learned, scored = (
        run_steps(
            model.test_on_batch, iterate_batches(part, batch, np.arange(len(part.labels)), balanced)
        )
        for part in (train, val)
    )
    with open_dvclive(folder) as live:
        log_epoch(live, EpochResult(1, learned, scored))


def run_steps(
    step: Callable[..., EpochMetrics], examples: Iterator[Batch], bar: Any = None
) -> EpochMetrics:
    """Run Keras's `step` on every batch; return the mean of its loss and metrics over examples.
    Raises FloatingPointError at the first loss that is not finite.

    Step by step rather than by fit, whose input threads cost more than they bring: reading a batch
    takes a hundredth of a step.
    """
    totals: EpochMetrics = {"loss": 0.0, "accuracy": 0.0}  # in this order, and others after them
    count = 0
    for inputs, labels, weights in examples:
        figures = step(inputs, labels, weights, return_dict=True)
        rows = int(np.count_nonzero(weights))
        count += rows
        for metric, value in figures.items():
            totals[metric] = totals.get(metric, 0.0) + float(value) * rows
        if not math.isfinite(totals["loss"]):
            raise FloatingPointError("its loss is not a finite number")
        if bar is not None:
            bar.update(rows)
    return {metric: total / count for metric, total in totals.items()}
