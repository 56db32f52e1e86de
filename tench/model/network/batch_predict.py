"""What models say of images, and whether two ways of asking give the same answer."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.core.errors import TenchError
from tench.core.paths import PREPARED
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared
from tench.model.network.batching import pad_batch
from tench.run.progress import progress_bar

BATCH_SIZE = 32
TOLERANCE = 1e-3  # of a probability, between two ways of asking

Probabilities = NDArray[np.float32]  # (images, classes)


def predict_images(
    rows: Sequence[Row],
    ask: Callable[[NDArray[np.float32]], Sequence[Probabilities]],
    label: str,
    folder: Path = PREPARED,
) -> list[Probabilities]:
    """What one or more models say of prepared images.

    Args:
        rows: of the index.
        ask: BATCH images, float32 (BATCH, size, size, 3), to the answer of each model.
        label: of the progress bar.
        folder: of the images.

    Returns:
        The probabilities of each model.
    """
    answers = []
    with progress_bar(None, label, len(rows)) as bar:
        for start in range(0, len(rows), BATCH_SIZE):
            images = [read_prepared(row, folder) for row in rows[start : start + BATCH_SIZE]]
            batch = np.stack(images).astype(np.float32)
            answers.append([answer[: len(batch)] for answer in ask(pad_batch(batch, BATCH_SIZE))])
            bar.update(len(batch))
    return [np.concatenate(parts) for parts in zip(*answers, strict=True)]


def predict_activations(
    read: Callable[[NDArray[np.int64]], NDArray[Any]], places: NDArray[np.int64], model: Any
) -> Probabilities:
    """What a model on activations says of the rows in `places`, which `read` reads."""
    parts = [places[start : start + BATCH_SIZE] for start in range(0, len(places), BATCH_SIZE)]
    return np.concatenate(
        [model.predict_on_batch(pad_batch(read(p), BATCH_SIZE))[: len(p)] for p in parts]
    )


def check_agreement(
    one: Probabilities, other: Probabilities, rows: Sequence[Row], what: str
) -> float:
    """Return the largest difference of any probability. Raises TenchError if it is too large.

    Args:
        one: probabilities of `rows`.
        other: the same, had another way.
        rows: of the index.
        what: the two ways, for the message.
    """
    difference = np.abs(one - other)
    worst = float(difference.max())
    if not worst <= TOLERANCE:
        path = rows[int(difference.max(axis=1).argmax())].path
        raise TenchError(
            f"{PREPARED / path}: {what} disagree by {worst:.2g} in a probability, more than "
            f"{TOLERANCE}; the scores would not be those of the model that was trained. Run "
            "`dvc repro --force finetune`, and report it if it comes back"
        )
    return worst
