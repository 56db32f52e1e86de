"""Checkpoints of a training after every epoch, from which it resumes bit for bit."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import atomic_file, file_sha256, has_sha256
from tench.run.resume import append_entry, read_entries, truncate_journal

EPOCH_JOURNAL = "epochs.journal"
Weights = list[NDArray[Any]]
EpochMetrics = dict[str, float]  # loss and accuracy, by name


class EpochResult(NamedTuple):
    """The metrics of an epoch."""

    number: int
    train_metrics: EpochMetrics
    val_metrics: EpochMetrics
    sha256: str = ""  # of the checkpoint after it


def checkpoint_file(work: Path, epoch: int) -> Path:
    """The checkpoint written after an epoch."""
    return work / f"{epoch:05d}.npz"


def training_state(model: Any) -> list[Any]:
    """All variables that a training step changes: weights, dropout seeds, optimizer, averages."""
    optimizer = model.optimizer.variables
    return [*model.trainable_variables, *model.non_trainable_variables, *optimizer]


def save_checkpoint(model: Any, best_weights: Weights, epoch: EpochResult, work: Path) -> None:
    """Save a checkpoint after an epoch, and delete the one before it.

    Args:
        model: compiled, with its optimizer.
        best_weights: of the best epoch so far; empty without early stopping.
        epoch: the epoch and its metrics.
        work: a folder that only this training uses.
    """
    file = checkpoint_file(work, epoch.number)
    with atomic_file(file) as part:
        state = {
            f"variable {n}": variable.numpy() for n, variable in enumerate(training_state(model))
        }
        state |= {f"best {n}": weight for n, weight in enumerate(best_weights)}
        np.savez(part, **state)
    append_entry(epoch._replace(sha256=file_sha256(file))._asdict(), work / EPOCH_JOURNAL)
    checkpoint_file(work, epoch.number - 1).unlink(missing_ok=True)


def restore_checkpoint(model: Any, work: Path) -> tuple[list[EpochResult], Weights]:
    """Restore a model from the last undamaged checkpoint in `work`, if there is one.

    Returns:
        the epochs up to the checkpoint (empty without one), and the weights of the best of them.
    """
    epochs = [EpochResult(**entry) for entry in read_entries(work / EPOCH_JOURNAL)]
    while epochs:
        file = checkpoint_file(work, epochs[-1].number)
        if has_sha256(file, epochs[-1].sha256):
            break
        epochs.pop()
        truncate_journal(len(epochs), work / EPOCH_JOURNAL)
    else:
        return [], []
    with np.load(file) as state:
        for n, variable in enumerate(training_state(model)):
            variable.assign(state[f"variable {n}"])
        best = sum(name.startswith("best ") for name in state)
        return epochs, [state[f"best {n}"] for n in range(best)]
