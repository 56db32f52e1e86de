"""The training loop: Keras train steps, seeded by epoch and logged with DVCLive."""

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
from tench.model.train.metrics import BALANCED, compile_model
from tench.model.train.training_config import TrainingConfig
from tench.run.progress import progress_bar

Batch = tuple[NDArray[Any], ...]  # inputs, labels (int32), weights (float32), of equal length


class Examples(NamedTuple):
    """Labeled inputs, read lazily."""

    read: Callable[[NDArray[np.int64]], NDArray[Any]]  # row numbers to inputs (len(numbers), ...)
    labels: NDArray[np.int32]


def load_examples(folder: Path, rows: Sequence[Row]) -> tuple[Examples, Examples]:
    """Load the cached features in `folder` and the labels of the training and validation images.

    Args:
        folder: of feature shards.
        rows: the whole index.

    Raises:
        TenchError: the shards are damaged or belong to other images.
    """
    shards = open_shards(folder, rows)

    def load(split: str) -> Examples:
        split_rows = rows_in_split(rows, split)
        return Examples(partial(read_rows, select_rows(shards, split_rows)), row_labels(split_rows))

    return load("train"), load("val")


def feature_count(examples: Examples) -> int:
    """The number of features per row, where rows are vectors."""
    return int(examples.read(np.arange(1)).shape[1])


def iterate_batches(
    examples: Examples, batch_size: int, order: NDArray[np.int64], balanced: bool = False
) -> Iterator[Batch]:
    """Iterate over batches of inputs, labels and sample weights.

    The last batch is padded with rows of weight 0, because TensorFlow would trace a smaller batch
    again. Its other weights grow to match, so that the mean over the batch is that of its rows.

    Args:
        examples: inputs and labels.
        batch_size: rows per batch.
        order: row numbers, in the order to read them.
        balanced: weight rows so that every class counts the same.
    """
    example_weights = row_weights(examples.labels, balanced)
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        weights = np.full(len(rows), batch_size / len(rows), np.float32)
        weights *= example_weights[rows]
        batch = examples.read(rows), examples.labels[rows], weights
        yield tuple(pad_batch(array, batch_size) for array in batch)


def shuffled_order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A permutation of range(rows) that depends on (seed, epoch) alone."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def epoch_order(rows: int, config: TrainingConfig, epoch: int) -> NDArray[np.int64]:
    """The row numbers of an epoch: as many permutations of range(rows) as `min_steps_per_epoch`
    needs, at least one."""
    passes = math.ceil(config.min_steps_per_epoch / math.ceil(rows / config.batch_size))
    generators = [np.random.default_rng((config.seed, epoch, 1 + n)) for n in range(1, passes)]
    first = shuffled_order(rows, config.seed, epoch)
    return np.concatenate([first, *(rng.permutation(rows) for rng in generators)])


def reseed_dropout(model: Any, seed: int, epoch: int) -> None:
    """Reseed every dropout layer from (seed, epoch) alone."""
    state = np.random.default_rng((seed, epoch, 1)).integers(0, 2**32, 2, np.uint32)
    for variable in model.variables:
        if "seed_generator" in variable.path:
            variable.assign(state)


def open_dvclive(folder: Path) -> Any:
    """Open a DVCLive logger that only writes to `folder`."""
    return Live(str(folder), report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False)


def train_model(
    model: Any,
    train: Examples,
    val: Examples,
    config: TrainingConfig,
    log_dir: Path,
    work: Path,
    label: str,
) -> int:
    """Train a model in place with Adam on sparse categorical cross-entropy.

    Shuffling and dropout depend on (seed, epoch) alone, so a resumed training gives the same bits.

    With `ema`, every epoch ends with the exponential moving average of the weights over its steps.
    Its momentum, 1 - 2 / (steps + 1), gives the center of mass of a plain mean; e^-2 (a seventh)
    of the result are the weights at the start of the epoch. Averages of the last weights generalize
    better than the last ones (Izmailov et al. 2018, https://arxiv.org/abs/1803.05407).

    Args:
        model: inputs to class probabilities.
        train: the training set.
        val: the validation set, scored after every epoch.
        config: epochs, optimizer and early stopping.
        log_dir: where DVCLive writes the metrics of every epoch.
        work: where checkpoints go; training resumes from the last one there.
        label: stage name, for the progress bar and messages.

    Returns:
        the epoch of the final weights: with patience the one with the best `selection_metric` on
        `val` (ties: the lowest loss), else the last.

    Raises:
        TenchError: the training diverged.
    """
    order = epoch_order(len(train.labels), config, config.first_epoch)
    steps = math.ceil(len(order) / config.batch_size)
    momentum = 1 - 2 / (steps + 1)
    adam = keras.optimizers.Adam(config.learning_rate, use_ema=config.ema, ema_momentum=momentum)
    compile_model(model, adam, config.balanced)
    # Create all variables now: creating them in the first step would trace it twice.
    adam.build(model.trainable_variables)
    probabilities = np.ones((1, model.output_shape[-1]))
    model.compute_metrics(None, train.labels[:1], probabilities, np.ones(1, np.float32))

    epochs, best_weights = restore_checkpoint(model, work)
    with open_dvclive(log_dir) as live:
        for epoch in epochs:
            log_epoch(live, epoch)
        try:
            while not is_finished(epochs, config):
                number = config.first_epoch + len(epochs)
                epoch = train_epoch(model, train, val, config, number, label)
                log_epoch(live, epoch)
                if config.patience and best_epoch([*epochs, epoch]) == epoch:
                    best_weights = model.get_weights()
                save_checkpoint(model, best_weights, epoch, work)
                epochs.append(epoch)
        except KeyboardInterrupt as stop:
            stop.add_note(f"{label}: epochs saved: {len(epochs)}")
            raise
        except FloatingPointError as error:
            key = f"{label.replace('-', '_')}.learning_rate"
            raise TenchError(
                f"{label}: training diverged in epoch {number}: {error}. "
                f"Lower {key} ({config.learning_rate:g}) in params.yaml, then run `dvc repro` again"
            ) from None
    if not config.patience:
        return config.last_epoch
    model.set_weights(best_weights)
    return best_epoch(epochs).number


def train_epoch(
    model: Any, train: Examples, val: Examples, config: TrainingConfig, number: int, label: str
) -> EpochResult:
    """Train for one epoch, then score on validation."""
    reseed_dropout(model, config.seed, number)
    order = epoch_order(len(train.labels), config, number)
    with progress_bar(None, f"{label} {number}/{config.last_epoch}", len(order)) as bar:
        batches = iterate_batches(train, config.batch_size, order, config.balanced)
        train_metrics = run_steps(model.train_on_batch, batches, bar)
        # Keras sets the weights to their moving average here, if there is one.
        model.optimizer.finalize_variable_values(model.trainable_variables)
        val_metrics = score_examples(model, val, config.batch_size, config.balanced)
        bar.set_postfix_str(
            f"loss {train_metrics['loss']:.3f} accuracy {train_metrics['accuracy']:.3f} "
            f"val {val_metrics['loss']:.3f} {val_metrics['accuracy']:.3f}"
        )
    return EpochResult(number, train_metrics, val_metrics)


def score_examples(model: Any, examples: Examples, batch_size: int, balanced: bool) -> EpochMetrics:
    """The loss and metrics of a compiled model on all examples."""
    order = np.arange(len(examples.labels))
    batches = iterate_batches(examples, batch_size, order, balanced)
    return run_steps(model.test_on_batch, batches)


def selection_metric(epoch: EpochResult) -> float:
    """The metric by which the best epoch is chosen: validation accuracy, or balanced accuracy
    where training is balanced."""
    if BALANCED in epoch.val_metrics:
        # Sums of float32 weights differ in the last digit.
        return round(epoch.val_metrics[BALANCED], 6)
    return epoch.val_metrics["accuracy"]


def best_epoch(epochs: Sequence[EpochResult]) -> EpochResult:
    """The epoch with the best selection metric. Ties: the lowest validation loss, then the
    first."""
    return max(epochs, key=lambda epoch: (selection_metric(epoch), -epoch.val_metrics["loss"]))


def is_finished(epochs: Sequence[EpochResult], config: TrainingConfig) -> bool:
    """Whether all epochs are done, or the selection metric has not improved for `patience`
    epochs."""
    if len(epochs) > config.last_epoch - config.first_epoch:
        return True
    if not (config.patience and epochs):
        return False
    values = [selection_metric(epoch) for epoch in epochs]
    return len(epochs) - 1 - values.index(max(values)) >= config.patience


def log_epoch(live: Any, epoch: EpochResult) -> None:
    """Log an epoch's training and validation metrics with DVCLive."""
    live.step = epoch.number
    for split, metrics in (("train", epoch.train_metrics), ("val", epoch.val_metrics)):
        for metric, value in metrics.items():
            live.log_metric(f"{split}/{metric}", value)
    live.make_summary()


def log_single_fit(
    model: Any, train: Examples, val: Examples, batch_size: int, balanced: bool, log_dir: Path
) -> None:
    """Log the metrics of a model that was fitted without epochs, as epoch 1."""
    compile_model(model, balanced=balanced)
    train_metrics, val_metrics = (
        score_examples(model, examples, batch_size, balanced) for examples in (train, val)
    )
    with open_dvclive(log_dir) as live:
        log_epoch(live, EpochResult(1, train_metrics, val_metrics))


def run_steps(
    step: Callable[..., EpochMetrics], batches: Iterator[Batch], bar: Any = None
) -> EpochMetrics:
    """Run a Keras train or test step on every batch; return the mean loss and metrics.

    Not Model.fit: its input threads cost more than they save, because reading a batch takes a
    hundredth of a step.

    Raises:
        FloatingPointError: the loss is not finite.
    """
    totals: EpochMetrics = {"loss": 0.0, "accuracy": 0.0}  # first in the logs, in this order
    count = 0
    for inputs, labels, weights in batches:
        metrics = step(inputs, labels, weights, return_dict=True)
        rows = int(np.count_nonzero(weights))
        count += rows
        for metric, value in metrics.items():
            totals[metric] = totals.get(metric, 0.0) + float(value) * rows
        if not math.isfinite(totals["loss"]):
            raise FloatingPointError("its loss is not a finite number")
        if bar is not None:
            bar.update(rows)
    return {metric: total / count for metric, total in totals.items()}
