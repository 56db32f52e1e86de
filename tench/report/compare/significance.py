"""Significance tests for the accuracy difference of two groups on the same test images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from tench.evaluate.statistics import mcnemar_test

SIGNIFICANCE_LEVEL = 0.05


class PairedResults(NamedTuple):
    """Correctness of two models on the same images."""

    paths: list[str]
    first: NDArray[np.bool_]  # (images,), whether the first model is correct
    second: NDArray[np.bool_]  # (images,)


class AccuracyDifference(NamedTuple):
    """Difference of the second of two groups from the first."""

    images: int  # number of distinct images
    only_first: int  # images that only the first predicts correctly, summed over seeds
    only_second: int
    accuracy: float  # accuracy of the second minus that of the first
    p_value: float


def clustered_p_value(pairs: Sequence[PairedResults]) -> float:
    """Return the two-sided p value of the mean accuracy difference over several seeds.

    A t-test with variance clustered by seed and by image, because an image may be in the test sets
    of several seeds:

        V = max(V_seeds + V_images - V_single, V_seeds, V_images)

    It has n_seeds - 1 degrees of freedom. If no image is in two test sets, it equals the paired
    t-test over seeds, unless seeds vary less than images alone would cause. It does not cover
    variation between training sets, because all seeds draw from the same images.

    Source: Cameron, Gelbach and Miller, Robust Inference with Multiway Clustering (Journal of
    Business and Economic Statistics 2011).

    Args:
        pairs: One per seed, at least two.
    """
    difference = np.concatenate([pair.second.astype(float) - pair.first for pair in pairs])
    seeds = np.repeat(np.arange(len(pairs)), [len(pair.paths) for pair in pairs])
    _, images = np.unique([path for pair in pairs for path in pair.paths], return_inverse=True)
    residuals = difference - difference.mean()

    def variance(cluster: NDArray[np.integer]) -> float:
        sums = np.bincount(cluster, residuals)
        return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1) / len(residuals) ** 2)

    v_seeds, v_images = variance(seeds), variance(images)
    total = max(v_seeds + v_images - variance(np.arange(len(residuals))), v_seeds, v_images)
    if total == 0:
        return 1.0 if difference.mean() == 0 else 0.0
    t = abs(difference.mean()) / np.sqrt(total)
    return float(2 * stdtr(len(pairs) - 1, -t))


def accuracy_difference(pairs: Sequence[PairedResults]) -> AccuracyDifference:
    """Return the difference of two groups and its p value.

    With one seed, the p value is that of McNemar's exact test, which does not cover variation
    between seeds (Dietterich, Approximate Statistical Tests for Comparing Supervised Classification
    Learning Algorithms, Neural Computation 1998). With several, it is `clustered_p_value`.

    Args:
        pairs: One per seed, at least one.
    """
    first = np.concatenate([pair.first for pair in pairs])
    second = np.concatenate([pair.second for pair in pairs])
    test = mcnemar_test(first, second)
    return AccuracyDifference(
        images=len({path for pair in pairs for path in pair.paths}),
        only_first=int(test["only_frozen"]),
        only_second=int(test["only_finetuned"]),
        accuracy=float(second.mean() - first.mean()),
        p_value=float(test["p_value"]) if len(pairs) == 1 else clustered_p_value(pairs),
    )


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Correct p values for multiple tests by Holm's step-down procedure, in the same order.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (Scandinavian Journal of
    Statistics 1979).
    """
    corrected, least = list(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected
