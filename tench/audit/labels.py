"""Labels that are probably wrong: where a head that has not seen a picture is sure of another."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.console.progress import progress
from tench.core.parallel import in_threads
from tench.pictures.index import Row, class_names, labels_of
from tench.pictures.shards import Shards, read_rows

FOLDS = 5
PASSES, STEPS = 8, 400  # over the training rows of a fold, and steps at least
BATCH = 128  # or an eighth of the rows, where they are few
CHUNK = 16 * BATCH  # rows read at a time
LEARNING_RATE = 1e-3


class Suspect(NamedTuple):
    """A picture whose label is in doubt."""

    row: Row
    suggestion: str  # the class the head takes it for
    label_probability: float  # 0 ... 1, by a head that has not seen it
    suggestion_probability: float


def out_of_fold(
    parts: Sequence[Shards], labels: NDArray[np.integer], dense_units: int, seed: int
) -> NDArray[np.float64]:
    """Class probabilities of every row, from a head trained on the other folds.

    The head is scikit-learn's: one hidden ReLU layer of `dense_units`, as the pipeline's, and
    softmax; it starts in a moment, where Keras takes seconds. Rows are read in batches.

    Args:
        parts: shard folders of pooled features; rows are counted through all of them.
        labels: (rows,).
        dense_units: width of the hidden layer.
        seed: of folds, weights and shuffling.

    Returns:
        (rows, classes), rows that sum to one.
    """
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier

    part_of = np.repeat(np.arange(len(parts)), [part.rows for part in parts])
    row_of = np.concatenate([np.arange(part.rows) for part in parts])

    def read(places: NDArray[np.integer]) -> NDArray[np.float32]:
        out = np.empty((len(places), *parts[0].row_shape), np.float32)
        for number, part in enumerate(parts):
            inside = part_of[places] == number
            out[inside] = read_rows(part, row_of[places[inside]])
        return out

    classes = np.unique(labels)
    folds = min(FOLDS, int(np.bincount(labels).min()))
    cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
    result = np.zeros((len(labels), len(classes)))
    batch = max(1, min(BATCH, len(labels) // 8))
    passes = max(PASSES, -(-STEPS * batch // len(labels)))
    with progress(None, "audit labels", folds * passes, "passes") as bar:

        def ask(fold: tuple[int, tuple[NDArray[np.int64], NDArray[np.int64]]]) -> None:
            number, (train, held) = fold
            rng = np.random.default_rng((seed, number))
            head = MLPClassifier(
                (dense_units,),
                batch_size=batch,
                learning_rate_init=LEARNING_RATE,
                random_state=seed,
            )
            for _ in range(passes):
                for places in chunks(rng.permutation(train)):
                    head.partial_fit(read(places), labels[places], classes=classes)
                bar.update(1)
            for places in chunks(held):
                result[places] = head.predict_proba(read(places))

        with threadpool_limits(1, "blas"):  # a thread a fold; more are in each other's way
            for _ in in_threads(ask, list(enumerate(cut.split(row_of, labels)))):
                pass
    return result


def chunks(places: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """`places` in parts of CHUNK, the last one longer rather than shorter than a batch."""
    count = max(1, len(places) // CHUNK + (len(places) % CHUNK >= BATCH))
    return np.split(places, [CHUNK * number for number in range(1, count)])


def suspects(rows: Sequence[Row], probabilities: NDArray[np.float64]) -> list[Suspect]:
    """The rows whose label cleanlab takes for wrong, the most doubtful first.

    By its filter `prune_by_noise_rate`: from how often heads are sure of another class than the
    label says (surer than they are on average of that class's own pictures) it estimates, for
    every two classes, how many pictures of the one are labelled as the other. That many are
    suspect: those whose probability of the other class exceeds that of the label the most.
    Source: Northcutt, Jiang and Chuang, Confident Learning (JAIR 2021), sections 3.1 and 3.2.

    Args:
        rows: the index.
        probabilities: (rows, classes), of each row by a model that has not seen it.
    """
    from cleanlab.filter import find_label_issues

    labels, names = labels_of(rows), class_names(rows)
    places = find_label_issues(
        labels,
        probabilities,
        return_indices_ranked_by="self_confidence",
        filter_by="prune_by_noise_rate",
        n_jobs=1,
    )
    guesses = probabilities.argmax(axis=1)
    return [
        Suspect(
            rows[place],
            names[guesses[place]],
            float(probabilities[place, labels[place]]),
            float(probabilities[place, guesses[place]]),
        )
        for place in places
    ]
