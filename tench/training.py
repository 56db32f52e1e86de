"""The training loop: Keras's fit on feature shards, seeded by epoch, watched by DVCLive."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from dvclive.live import Live
from numpy.typing import NDArray

from tench.cli import progress
from tench.runtime import keras
from tench.shards import Shards, read_rows


class Examples(NamedTuple):
    """Stored activations and their labels, row by row."""

    activations: Shards
    labels: NDArray[np.int32]


class Epochs(NamedTuple):
    """Which epochs to train, counted from 1."""

    first: int
    last: int


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of one epoch: in the order of (seed, epoch), or of the index if seed is None."""

    def __init__(
        self, examples: Examples, batch_size: int, seed: int | None, epoch: int = 0
    ) -> None:
        super().__init__()
        self.examples, self.batch_size = examples, batch_size
        rows = len(examples.labels)
        self.order = np.arange(rows)
        if seed is not None:
            self.order = np.random.default_rng((seed, epoch)).permutation(rows)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> tuple[NDArray[Any], NDArray[np.int32]]:
        rows = self.order[number * self.batch_size : (number + 1) * self.batch_size]
        return read_rows(self.examples.activations, rows), self.examples.labels[rows]


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
) -> None:
    """Train `model` in place, by Adam on sparse categorical cross-entropy.

    Shuffling and dropout follow from (seed, epoch), so that an epoch does not depend on how many
    went before it in this process.

    Args:
        model: activations to class probabilities.
        train: to learn from.
        val: scored after every epoch.
        epochs: which, counted from 1.
        learning_rate: of Adam.
        batch_size: examples a step.
        seed: of shuffling and dropout.
        folder: where DVCLive writes loss and accuracy of every epoch.
        label: of the progress bar.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    validation = Batches(val, batch_size, None)
    with Live(
        str(folder), report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False
    ) as live:
        for epoch in range(epochs.first, epochs.last + 1):
            reseed_dropout(model, seed, epoch)
            batches = Batches(train, batch_size, seed, epoch)
            with progress(None, f"{label} {epoch}/{epochs.last}", len(train.labels)) as bar:
                history = model.fit(
                    batches,
                    validation_data=validation,
                    shuffle=False,
                    verbose=0,
                    callbacks=[advance(bar, batch_size)],
                ).history
                bar.set_postfix({name: f"{values[0]:.3f}" for name, values in history.items()})
            live.step = epoch
            for name, values in history.items():
                split, metric = ("val", name[4:]) if name.startswith("val_") else ("train", name)
                live.log_metric(f"{split}/{metric}", values[0])
            live.make_summary()


def advance(bar: Any, batch_size: int) -> Any:
    """A Keras callback that moves the progress bar after every step."""

    def move(batch: int, logs: dict[str, float] | None = None) -> None:
        bar.update(min(batch_size, bar.total - bar.n))

    return keras.callbacks.LambdaCallback(on_train_batch_end=move)
