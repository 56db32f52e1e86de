"""A training after each epoch, kept so that one that was stopped goes on there, bit for bit."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import file_sha256, is_file_of, whole
from tench.core.unfinished import append, entries, keep_first

JOURNAL = "epochs.journal"
Weights = list[NDArray[Any]]
Figures = dict[str, float]  # loss and accuracy


class Epoch(NamedTuple):
    """What an epoch came to."""

    number: int
    learned: Figures
    scored: Figures
    sha256: str = ""  # of the file that holds where the training was after it


def state_file(work: Path, epoch: int) -> Path:
    """Where it is kept where a training was after an epoch."""
    return work / f"{epoch:05d}.npz"


def variables(model: Any) -> list[Any]:
    """All that a step changes: the weights, the state of the dropout, and what the optimiser knows,
    averages included."""
    optimizer = model.optimizer.variables
    return [*model.trainable_variables, *model.non_trainable_variables, *optimizer]


def keep_epoch(model: Any, best: Weights, epoch: Epoch, work: Path) -> None:
    """Keep where a training is after an epoch.

    Args:
        model: as the epoch left it, with its optimiser.
        best: weights of the best epoch so far; none where it is not asked for.
        epoch: which, and what it came to.
        work: a folder that belongs to this training alone.
    """
    file = state_file(work, epoch.number)
    with whole(file) as part:
        now = {f"variable {n}": one.numpy() for n, one in enumerate(variables(model))}
        now |= {f"best {n}": one for n, one in enumerate(best)}
        np.savez(part, **now)
    append(epoch._replace(sha256=file_sha256(file))._asdict(), work / JOURNAL)
    state_file(work, epoch.number - 1).unlink(missing_ok=True)


def kept_epochs(model: Any, work: Path) -> tuple[list[Epoch], Weights]:
    """Put a model where the last epoch left it that is kept whole.

    Returns:
        what the epochs up to it came to, none if there are none, and the weights of the best.
    """
    epochs = [Epoch(**entry) for entry in entries(work / JOURNAL)]
    while epochs:
        file = state_file(work, epochs[-1].number)
        if is_file_of(file, epochs[-1].sha256):
            break
        epochs.pop()
        keep_first(len(epochs), work / JOURNAL)
    else:
        return [], []
    with np.load(file) as kept:
        for number, variable in enumerate(variables(model)):
            variable.assign(kept[f"variable {number}"])
        best = sum(name.startswith("best ") for name in kept)
        return epochs, [kept[f"best {number}"] for number in range(best)]
