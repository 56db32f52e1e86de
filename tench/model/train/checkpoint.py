"""A training after each epoch, kept so that one that was stopped goes on there, bit for bit."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import atomic_file, file_sha256, has_sha256
from tench.run.resume import append_entry, read_entries, truncate_journal

EPOCH_JOURNAL = "epochs.journal"
Weights = list[NDArray[Any]]
EpochMetrics = dict[str, float]  # loss and accuracy


class EpochResult(NamedTuple):
    """What an epoch came to."""

    number: int
    train_metrics: EpochMetrics
    val_metrics: EpochMetrics
    sha256: str = ""  # of the file that holds where the training was after it


def checkpoint_file(work: Path, epoch: int) -> Path:
    """Where it is kept where a training was after an epoch."""
    return work / f"{epoch:05d}.npz"


def training_state(model: Any) -> list[Any]:
    """All that a step changes: the weights, the state of the dropout, and what the optimizer knows,
    averages included."""
    optimizer = model.optimizer.variables
    return [*model.trainable_variables, *model.non_trainable_variables, *optimizer]


def save_checkpoint(model: Any, best: Weights, epoch: EpochResult, work: Path) -> None:
    """Keep where a training is after an epoch.

    Args:
        model: as the epoch left it, with its optimizer.
        best: weights of the best epoch so far; none where it is not asked for.
        epoch: which, and what it came to.
        work: a folder that belongs to this training alone.
    """
    file = checkpoint_file(work, epoch.number)
    with atomic_file(file) as part:
        now = {f"variable {n}": one.numpy() for n, one in enumerate(training_state(model))}
        now |= {f"best {n}": one for n, one in enumerate(best)}
        np.savez(part, **now)
    append_entry(epoch._replace(sha256=file_sha256(file))._asdict(), work / EPOCH_JOURNAL)
    checkpoint_file(work, epoch.number - 1).unlink(missing_ok=True)


def restore_checkpoint(model: Any, work: Path) -> tuple[list[EpochResult], Weights]:
    """Put a model where the last epoch left it that is kept whole.

    Returns:
        what the epochs up to it came to, none if there are none, and the weights of the best.
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
    with np.load(file) as kept:
        for number, variable in enumerate(training_state(model)):
            variable.assign(kept[f"variable {number}"])
        best = sum(name.startswith("best ") for name in kept)
        return epochs, [kept[f"best {number}"] for number in range(best)]
