"""Find label errors with cleanlab, from out-of-fold predictions."""

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
MIN_EPOCHS, MIN_STEPS = 8, 400  # per fold
BATCH_SIZE = 128  # at most an eighth of the rows
CHUNK_ROWS = 16 * BATCH_SIZE  # rows read at a time
LEARNING_RATE = 1e-3
MAX_PROBABILITIES = 2**25  # passed to cleanlab at a time: 256 MB, which cleanlab copies

PredictRows = Callable[[NDArray[np.integer]], NDArray[np.float64]]


class LabelSuspect(NamedTuple):
    """An image whose label is probably wrong."""

    row: Row
    suggestion: str  # the predicted class
    label_probability: float  # in [0, 1], out-of-fold
    suggestion_probability: float


def fit_out_of_fold(
    parts: Sequence[Shards], labels: NDArray[np.integer], dense_units: int, seed: int
) -> PredictRows:
    """Train one head per fold for out-of-fold predictions.

    The head is scikit-learn's MLPClassifier with one hidden ReLU layer, as in the pipeline; it
    starts without the seconds that Keras takes. Features are read in chunks and probabilities are
    computed on request: of a million rows and a thousand classes they would take 8 GB.

    Args:
        parts: pooled features, one element per split.
        labels: (rows,), of the rows of all parts.
        dense_units: width of the hidden layer.
        seed: seed of folds, weights and shuffling.

    Returns:
        A function from row indices, (n,), to probabilities, float64 (n, classes).
    """
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier

    part_of = np.repeat(np.arange(len(parts)), [part.rows for part in parts])
    row_of = np.concatenate([np.arange(part.rows) for part in parts])

    def read(indices: NDArray[np.integer]) -> NDArray[np.float32]:
        out = np.empty((len(indices), *parts[0].row_shape), np.float32)
        for number, part in enumerate(parts):
            inside = part_of[indices] == number
            out[inside] = read_rows(part, row_of[indices[inside]])
        return out

    classes = np.unique(labels)
    folds = min(FOLDS, int(np.bincount(labels).min()))
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(row_of, labels))
    fold_of = np.empty(len(labels), np.int8)
    for number, (_, held_out) in enumerate(splits):
        fold_of[held_out] = number
    batch = max(1, min(BATCH_SIZE, len(labels) // 8))
    epochs = max(MIN_EPOCHS, -(-MIN_STEPS * batch // len(labels)))
    with progress_bar(None, "audit labels", folds * epochs, "epochs") as bar:

        def train(number: int) -> Any:
            rng = np.random.default_rng((seed, number))
            head = MLPClassifier(
                (dense_units,),
                batch_size=batch,
                learning_rate_init=LEARNING_RATE,
                random_state=seed,
            )
            for _ in range(epochs):
                for chunk in row_chunks(rng.permutation(splits[number][0])):
                    head.partial_fit(read(chunk), labels[chunk], classes=classes)
                bar.update(1)
            return head

        with threadpool_limits(1, "blas"):  # each fold has a thread of its own
            heads = list(map_in_threads(train, range(folds)))

    def predict(indices: NDArray[np.integer]) -> NDArray[np.float64]:
        out = np.empty((len(indices), len(classes)))
        for number, head in enumerate(heads):
            for chunk in row_chunks(np.flatnonzero(fold_of[indices] == number)):
                if len(chunk):
                    out[chunk] = head.predict_proba(read(indices[chunk]))
        return out

    return predict


def row_chunks(indices: NDArray[np.integer]) -> list[NDArray[np.integer]]:
    """Split indices into chunks of CHUNK_ROWS; a remainder below BATCH_SIZE joins the last one."""
    count = max(1, len(indices) // CHUNK_ROWS + (len(indices) % CHUNK_ROWS >= BATCH_SIZE))
    return np.split(indices, [CHUNK_ROWS * number for number in range(1, count)])


def class_groups(labels: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Group rows by class, with about MAX_PROBABILITIES probabilities per group.

    Classes are never divided; a group has two or more, as cleanlab requires.

    Returns:
        The row indices of each group.
    """
    counts = np.bincount(labels)
    group_of = (np.cumsum(counts) - counts) * len(counts) // MAX_PROBABILITIES  # per class
    pairs = np.arange(len(counts)) // 2 * 2
    group_of = group_of[pairs.clip(max=len(counts) // 2 * 2 - 2)]
    return [np.flatnonzero(group_of[labels] == number) for number in np.unique(group_of)]


def find_label_suspects(rows: Sequence[Row], predict: PredictRows) -> list[LabelSuspect]:
    """Find rows whose label is probably wrong, sorted by the probability of the label.

    Uses cleanlab's filter `prune_by_noise_rate`. It estimates, for each pair of classes, how many
    images of one are labeled as the other, by counting confident predictions: those above the mean
    probability of the predicted class on its own images. It then selects as many images, those
    with the largest margin between the other class and the label.
    Source: Northcutt, Jiang and Chuang, Confident Learning (JAIR 2021), sections 3.1 and 3.2.

    Both steps treat each label separately. Cleanlab therefore gets a few classes at a time: the
    result is the same, and memory does not grow with the rows.

    Args:
        rows: the index.
        predict: out-of-fold probabilities by row index, as from `fit_out_of_fold`.
    """
    from cleanlab.count import calibrate_confident_joint, compute_confident_joint
    from cleanlab.filter import find_label_issues

    labels, names = row_labels(rows), class_names(rows)
    groups = class_groups(labels)

    def predict_groups() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        for group in progress_bar(groups, "audit suspects", len(groups), "class groups", delay=3):
            yield group, predict(group)

    predicted = np.empty(len(labels), np.int32)
    label_probability, max_probability = np.empty(len(labels)), np.empty(len(labels))
    for group, probabilities in predict_groups():
        label_probability[group] = probabilities[np.arange(len(group)), labels[group]]
        predicted[group] = probabilities.argmax(axis=1)
        max_probability[group] = probabilities.max(axis=1)
    thresholds = np.bincount(labels, label_probability) / np.bincount(labels)
    joint = np.zeros((len(names), len(names)), np.int64)
    for group, probabilities in predict_groups():
        classes = np.unique(labels[group])
        joint[classes] = compute_confident_joint(
            labels[group], probabilities, thresholds=thresholds, calibrate=False
        )[classes]
    joint = calibrate_confident_joint(joint, labels)
    is_issue = np.zeros(len(labels), bool)
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # about absent classes
        for group, probabilities in predict_groups():
            is_issue[group] = find_label_issues(
                labels[group],
                probabilities,
                filter_by="prune_by_noise_rate",
                confident_joint=joint,
                n_jobs=1,
            )
    issues = np.flatnonzero(is_issue)
    order = issues[np.argsort(label_probability[issues], kind="stable")]
    return [
        LabelSuspect(
            rows[n], names[predicted[n]], float(label_probability[n]), float(max_probability[n])
        )
        for n in order.tolist()
    ]
