"""Multinomial logistic regression on pooled features, its regularization chosen by itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.core.parallel import map_in_threads
from tench.data.index import row_weights
from tench.data.store.shards import Shards, read_rows
from tench.model.selection import is_significantly_above
from tench.run.progress import progress_bar

MAX_FIT_ROWS = 20_000  # rows at most, so that memory does not grow with the data
MAX_SELECTION_ROWS = 2_000  # rows at most that the strengths are compared on
FOLDS = 5
# C of scikit-learn times the number of rows: what it regularizes does not depend on how many there
# are. From the least free on: images far from the backbone's want 1 to 100, near ones 1,000.
L2_STRENGTHS = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)
DEFAULT_L2_STRENGTH = 1e3  # where there is nothing to choose by
MAX_ITERATIONS = 500

Features = NDArray[np.float32]  # (rows, 1280)
Labels = NDArray[np.integer[Any]]  # (rows,)
RowIndices = NDArray[np.int64]  # numbers of rows


class LinearProbe(NamedTuple):
    """A linear classifier: features @ kernel + bias are its logits."""

    kernel: NDArray[np.float32]  # (1280, classes)
    bias: NDArray[np.float32]  # (classes,)


def fit_logistic_regression(
    features: Features, labels: Labels, strength: float, balanced: bool
) -> LinearProbe:
    """Fit a logistic regression with an L2 penalty on its kernel, by L-BFGS.

    Args:
        features: pooled features.
        labels: 0 ... classes - 1, each at least once.
        strength: inverse of the penalty, times the number of rows.
        balanced: whether all classes weigh the same, however many rows they have.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength / len(labels),
        max_iter=MAX_ITERATIONS,
        class_weight="balanced" if balanced else None,
    ).fit(features, labels)
    kernel, bias = model.coef_, model.intercept_
    if len(kernel) == 1:  # of two classes scikit-learn keeps the logit of the second alone
        kernel, bias = np.stack([-kernel[0], kernel[0]]) / 2, np.append(-bias, bias) / 2
    return LinearProbe(kernel.T.astype(np.float32), bias.astype(np.float32))


def predict_probabilities(linear: LinearProbe, features: Features) -> NDArray[np.float64]:
    """The softmax of the logits, (rows, classes)."""
    logits = (features @ linear.kernel + linear.bias).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def stratified_sample(labels: Labels, count: int, seed: int) -> NDArray[np.int64]:
    """At most `count` places, of every class its share and at least two, if it has so many."""
    if len(labels) <= count:
        return np.arange(len(labels))
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        places = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(places[: max(2, len(places) * count // len(labels))])
    return np.sort(np.concatenate(chosen))


def select_l2_strength(features: Features, labels: Labels, balanced: bool, seed: int) -> float:
    """The least free of STRENGTHS whose loss on rows held out is not clearly above the least loss:
    by cross-validation with FOLDS folds, or as many as the smallest class has rows; UNCHOSEN where
    that is one. With `balanced`, all classes weigh the same there, too.

    The strength with the least loss owes that to luck where rows are few, and one less free is
    steadier. Source: Breiman et al., Classification and Regression Trees, 1984, 3.4.3, whose rule
    is that of one standard error of the loss; here it is the difference's, on the same rows.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        return DEFAULT_L2_STRENGTH
    cut = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, labels))

    def losses(tried: tuple[float, tuple[RowIndices, RowIndices]]) -> NDArray[np.float64]:
        strength, (train, held) = tried
        linear = fit_logistic_regression(features[train], labels[train], strength, balanced)
        said = predict_probabilities(linear, features[held])[np.arange(len(held)), labels[held]]
        return -np.log(np.maximum(said, 1e-12))

    pairs = [(strength, fold) for strength in L2_STRENGTHS for fold in cut]
    with threadpool_limits(1, "blas"):  # a thread a fit
        found = list(progress_bar(map_in_threads(losses, pairs), "probe", len(pairs), "fits"))
    of_rows = np.reshape(np.concatenate(found), (len(L2_STRENGTHS), -1))
    of_rows *= row_weights(labels, balanced)[np.concatenate([held for _, held in cut])]
    return L2_STRENGTHS[most_regularized_adequate(of_rows)]


def most_regularized_adequate(losses: NDArray[np.float64]) -> int:
    """The first row of losses that is not clearly above the one with the least sum.

    Args:
        losses: (models, rows), each model's on the same rows, from the least free model on.
    """
    best = losses[losses.sum(axis=1).argmin()]
    return next(n for n, one in enumerate(losses) if not is_significantly_above(one - best))


def fit_with_selected_strength(
    features: Features, labels: Labels, balanced: bool, seed: int
) -> tuple[LinearProbe, float]:
    """Fit with the strength that does best on TRIED of the rows; return both."""
    tried = stratified_sample(labels, MAX_SELECTION_ROWS, seed)
    strength = select_l2_strength(features[tried], labels[tried], balanced, seed)
    return fit_logistic_regression(features, labels, strength, balanced), strength


def fit_linear_probe(
    train: Shards, labels: Labels, balanced: bool, seed: int
) -> tuple[LinearProbe, float]:
    """Fit a logistic regression to stored features, or to FITTED of them; return it and its
    strength."""
    places = stratified_sample(labels, MAX_FIT_ROWS, seed)
    return fit_with_selected_strength(
        read_rows(train, places).astype(np.float32), labels[places], balanced, seed
    )


def predict_stored_rows(
    linear: LinearProbe, stored: Shards, rows: int = 4096
) -> NDArray[np.float64]:
    """The probabilities of all stored rows, (rows, classes), read `rows` at a time."""
    starts: Sequence[int] = range(0, stored.rows, rows)
    parts = [np.arange(start, min(start + rows, stored.rows)) for start in starts]
    return np.concatenate(
        [
            predict_probabilities(linear, read_rows(stored, part).astype(np.float32))
            for part in parts
        ]
    )
