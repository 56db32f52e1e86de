"""Labels that are probably wrong: where a head that has not seen an image is sure of another."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.core.parallel import map_in_threads
from tench.data.index import Row, class_names, row_labels
from tench.data.store.shards import Shards, read_rows
from tench.run.progress import progress_bar

FOLDS = 5
MIN_PASSES, MIN_STEPS = 8, 400  # over the training rows of a fold, and steps at least
BATCH_SIZE = 128  # or an eighth of the rows, where they are few
CHUNK_ROWS = 16 * BATCH_SIZE  # rows read at a time
LEARNING_RATE = 1e-3
MAX_PROBABILITIES = (
    2**25
)  # probabilities that cleanlab is given at a time: 256 MB, of which it makes copies

PredictRows = Callable[[NDArray[np.integer]], NDArray[np.float64]]


class LabelSuspect(NamedTuple):
    """An image whose label is in doubt."""

    row: Row
    suggestion: str  # the class the head takes it for
    label_probability: float  # 0 ... 1, by a head that has not seen it
    suggestion_probability: float


def fit_out_of_fold(
    parts: Sequence[Shards], labels: NDArray[np.integer], dense_units: int, seed: int
) -> PredictRows:
    """Class probabilities of any rows, from heads trained on the other folds.

    The head is scikit-learn's: one hidden ReLU layer of `dense_units`, as the pipeline's, and
    softmax; it starts in a moment, where Keras takes seconds. Rows are read in batches, and asked
    about when they are wanted: of a million rows and a thousand classes all probabilities would
    take 8 GB.

    Args:
        parts: shard folders of pooled features; rows are counted through all of them.
        labels: (rows,).
        dense_units: width of the hidden layer.
        seed: of folds, weights and shuffling.

    Returns:
        A function from places, (n,), to probabilities, float64 (n, classes), rows that sum to one.
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
    cut = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(row_of, labels))
    fold_of = np.empty(len(labels), np.int8)
    for number, (_, held) in enumerate(cut):
        fold_of[held] = number
    batch = max(1, min(BATCH_SIZE, len(labels) // 8))
    passes = max(MIN_PASSES, -(-MIN_STEPS * batch // len(labels)))
    with progress_bar(None, "audit labels", folds * passes, "passes") as bar:

        def train(number: int) -> Any:
            rng = np.random.default_rng((seed, number))
            head = MLPClassifier(
                (dense_units,),
                batch_size=batch,
                learning_rate_init=LEARNING_RATE,
                random_state=seed,
            )
            for _ in range(passes):
                for places in row_chunks(rng.permutation(cut[number][0])):
                    head.partial_fit(read(places), labels[places], classes=classes)
                bar.update(1)
            return head

        with threadpool_limits(1, "blas"):  # a thread a fold; more are in each other's way
            heads = list(map_in_threads(train, range(folds)))

    def ask(places: NDArray[np.integer]) -> NDArray[np.float64]:
        out = np.empty((len(places), len(classes)))
        for number, head in enumerate(heads):
            for some in row_chunks(np.flatnonzero(fold_of[places] == number)):
                if len(some):
                    out[some] = head.predict_proba(read(places[some]))
        return out

    return ask


def row_chunks(places: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """`places` in parts of CHUNK, the last one longer rather than shorter than a batch."""
    count = max(1, len(places) // CHUNK_ROWS + (len(places) % CHUNK_ROWS >= BATCH_SIZE))
    return np.split(places, [CHUNK_ROWS * number for number in range(1, count)])


def class_groups(labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The places of the rows of some classes after those of others, whole classes, so many together
    that their probabilities are GROUP or few more, and two at least, as cleanlab wants it."""
    counts = np.bincount(labels)
    group_of = (np.cumsum(counts) - counts) * len(counts) // MAX_PROBABILITIES  # of each class
    pairs = np.arange(len(counts)) // 2 * 2
    group_of = group_of[pairs.clip(max=len(counts) // 2 * 2 - 2)]
    return [np.flatnonzero(group_of[labels] == number) for number in np.unique(group_of)]


def find_label_suspects(rows: Sequence[Row], ask: PredictRows) -> list[LabelSuspect]:
    """The rows whose label cleanlab takes for wrong, the most doubtful first.

    By its filter `prune_by_noise_rate`: from how often heads are sure of another class than the
    label says (surer than they are on average of that class's own images) it estimates, for
    every two classes, how many images of the one are labeled as the other. That many are
    suspect: those whose probability of the other class exceeds that of the label the most.
    Source: Northcutt, Jiang and Chuang, Confident Learning (JAIR 2021), sections 3.1 and 3.2.

    Both steps look at the rows of one label after those of another, so cleanlab is given some
    classes at a time and what it finds is the same: memory does not grow with the rows.

    Args:
        rows: the index.
        ask: for the probabilities of rows by a model that has not seen them.
    """
    from cleanlab.count import calibrate_confident_joint, compute_confident_joint
    from cleanlab.filter import find_label_issues

    labels, names = row_labels(rows), class_names(rows)
    some = class_groups(labels)

    def each() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        for places in progress_bar(some, "audit suspects", len(some), "groups of classes", delay=3):
            yield places, ask(places)

    guesses = np.empty(len(labels), np.int32)
    of_label, of_guess = np.empty(len(labels)), np.empty(len(labels))
    for places, probabilities in each():
        of_label[places] = probabilities[np.arange(len(places)), labels[places]]
        guesses[places], of_guess[places] = probabilities.argmax(axis=1), probabilities.max(axis=1)
    sure = np.bincount(labels, of_label) / np.bincount(labels)  # of a class's own images
    joint = np.zeros((len(names), len(names)), np.int64)
    for places, probabilities in each():
        there = np.unique(labels[places])
        joint[there] = compute_confident_joint(
            labels[places], probabilities, thresholds=sure, calibrate=False
        )[there]
    joint = calibrate_confident_joint(joint, labels)
    doubtful = np.zeros(len(labels), bool)
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # of classes not there
        for places, probabilities in each():
            doubtful[places] = find_label_issues(
                labels[places],
                probabilities,
                filter_by="prune_by_noise_rate",
                confident_joint=joint,
                n_jobs=1,
            )
    found = np.flatnonzero(doubtful)
    return [
        LabelSuspect(rows[n], names[guesses[n]], float(of_label[n]), float(of_guess[n]))
        for n in found[np.argsort(of_label[found], kind="stable")].tolist()
    ]
