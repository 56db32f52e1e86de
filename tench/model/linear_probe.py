"""A linear probe: multinomial logistic regression on pooled features.

Its L2 strength is chosen by cross-validation.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tench.core.parallel import map_in_threads
from tench.data.index import row_weights
from tench.data.store.shards import Shards, read_rows
from tench.model.selection import is_significantly_above
from tench.run.progress import progress_bar

MAX_FIT_ROWS = 20_000  # bounds the memory of the fit
MAX_SELECTION_ROWS = 2_000  # bounds the time of the cross-validation
FOLDS = 5
# scikit-learn's C times the number of rows, so that the strength does not depend on that number.
# Most regularized first. Images far from ImageNet need 1 to 100, similar ones about 1,000.
L2_STRENGTHS = (1e0, 1e1, 1e2, 1e3, 1e4, 1e5)
DEFAULT_L2_STRENGTH = 1e3  # without enough rows to choose by
MAX_ITERATIONS = 500
MIN_PROBABILITY = 1e-12  # keeps the loss finite

Features = NDArray[np.float32]  # (rows, channels)
Labels = NDArray[np.integer[Any]]  # (rows,)
RowIndices = NDArray[np.int64]


class LinearProbe(NamedTuple):
    """A linear classifier: logits = features @ kernel + bias."""

    kernel: NDArray[np.float32]  # (channels, classes)
    bias: NDArray[np.float32]  # (classes,)


def fit_logistic_regression(
    features: Features, labels: Labels, strength: float, balanced: bool
) -> LinearProbe:
    """Fit a multinomial logistic regression with an L2 penalty on its kernel, by L-BFGS.

    Args:
        features: pooled features.
        labels: 0 ... classes - 1, each at least once.
        strength: inverse of the penalty (scikit-learn's C), times the number of rows.
        balanced: weight rows so that every class counts the same.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=strength / len(labels),
        max_iter=MAX_ITERATIONS,
        class_weight="balanced" if balanced else None,
    ).fit(features, labels)
    kernel, bias = model.coef_, model.intercept_
    if len(kernel) == 1:  # for two classes scikit-learn returns the logit of the second alone
        kernel, bias = np.stack([-kernel[0], kernel[0]]) / 2, np.append(-bias, bias) / 2
    return LinearProbe(kernel.T.astype(np.float32), bias.astype(np.float32))


def predict_probabilities(probe: LinearProbe, features: Features) -> NDArray[np.float64]:
    """Class probabilities (rows, classes): the softmax of the logits."""
    logits = (features @ probe.kernel + probe.bias).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def stratified_sample(labels: Labels, count: int, seed: int) -> RowIndices:
    """Sample about `count` row indices, in proportion to the classes, at least two per class."""
    if len(labels) <= count:
        return np.arange(len(labels))
    rng, chosen = np.random.default_rng(seed), []
    for label in np.unique(labels):
        indices = rng.permutation(np.flatnonzero(labels == label))
        chosen.append(indices[: max(2, len(indices) * count // len(labels))])
    return np.sort(np.concatenate(chosen))


def select_l2_strength(features: Features, labels: Labels, balanced: bool, seed: int) -> float:
    """Select the most regularized of L2_STRENGTHS that is not significantly worse than the best.

    By stratified cross-validation with FOLDS folds, or as many as the smallest class has rows.
    With few rows the best strength is partly luck, and a more regularized one is steadier. Source:
    Breiman et al., Classification and Regression Trees, 1984, 3.4.3. They use one standard error
    of the loss; this uses 1.5 of the paired difference.

    Args:
        features: pooled features.
        labels: 0 ... classes - 1, each at least once.
        balanced: weight rows so that every class counts the same, in the fit and in the loss.
        seed: of the folds.

    Returns:
        the strength; DEFAULT_L2_STRENGTH if a class has a single row.
    """
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(labels).min()))
    if folds < 2:
        return DEFAULT_L2_STRENGTH
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    splits = list(splitter.split(features, labels))

    def validation_losses(fit: tuple[float, tuple[RowIndices, RowIndices]]) -> NDArray[np.float64]:
        strength, (train, val) = fit
        probe = fit_logistic_regression(features[train], labels[train], strength, balanced)
        probabilities = predict_probabilities(probe, features[val])
        label_probability = probabilities[np.arange(len(val)), labels[val]]
        return -np.log(np.maximum(label_probability, MIN_PROBABILITY))

    fits = [(strength, split) for strength in L2_STRENGTHS for split in splits]
    with threadpool_limits(1, "blas"):  # the fits themselves run in parallel
        results = map_in_threads(validation_losses, fits)
        losses = list(progress_bar(results, "probe", len(fits), "fits"))
    by_strength = np.reshape(np.concatenate(losses), (len(L2_STRENGTHS), -1))
    by_strength *= row_weights(labels, balanced)[np.concatenate([val for _, val in splits])]
    return L2_STRENGTHS[most_regularized_adequate(by_strength)]


def most_regularized_adequate(losses: NDArray[np.float64]) -> int:
    """The index of the first model that is not significantly worse than the best.

    Args:
        losses: (models, rows), on the same rows, the most regularized model first.
    """
    best = losses[losses.sum(axis=1).argmin()]
    return next(n for n, loss in enumerate(losses) if not is_significantly_above(loss - best))


def fit_with_selected_strength(
    features: Features, labels: Labels, balanced: bool, seed: int
) -> tuple[LinearProbe, float]:
    """Select the strength on at most MAX_SELECTION_ROWS rows, then fit on all; return both."""
    sample = stratified_sample(labels, MAX_SELECTION_ROWS, seed)
    strength = select_l2_strength(features[sample], labels[sample], balanced, seed)
    return fit_logistic_regression(features, labels, strength, balanced), strength


def fit_linear_probe(
    train: Shards, labels: Labels, balanced: bool, seed: int
) -> tuple[LinearProbe, float]:
    """Fit a linear probe to at most MAX_FIT_ROWS rows of cached features.

    Returns:
        the probe and its L2 strength.
    """
    sample = stratified_sample(labels, MAX_FIT_ROWS, seed)
    return fit_with_selected_strength(
        read_rows(train, sample).astype(np.float32), labels[sample], balanced, seed
    )


def predict_stored_rows(
    probe: LinearProbe, stored: Shards, batch_size: int = 4096
) -> NDArray[np.float64]:
    """Class probabilities (rows, classes) of cached features, read in batches."""
    starts = range(0, stored.rows, batch_size)
    batches = [np.arange(start, min(start + batch_size, stored.rows)) for start in starts]
    return np.concatenate(
        [
            predict_probabilities(probe, read_rows(stored, batch).astype(np.float32))
            for batch in batches
        ]
    )
