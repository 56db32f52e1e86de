"""Whether two groups of runs differ on the same test images by more than chance."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from tench.evaluate.statistics import mcnemar_test

SIGNIFICANCE_LEVEL = 0.05  # of significance


class PairedResults(NamedTuple):
    """What one of two models says of each image beside the other, by the image's path."""

    paths: list[str]
    first: NDArray[np.bool_]  # (images,), whether the first model is right
    second: NDArray[np.bool_]


class AccuracyDifference(NamedTuple):
    """How the second of two groups differs from the first."""

    images: int  # different ones
    only_first: int  # images that the first alone has right, summed over seeds
    only_second: int
    accuracy: float  # of the second less that of the first, on these images
    p_value: float


def clustered_p_value(pairs: Sequence[PairedResults]) -> float:
    """P value (two-sided) of the mean difference of accuracies over several seeds.

    A t test whose variance has both a part of the seeds and a part of the images: errors are
    taken to hang together within a seed (whose two runs have the same test images) and within a
    image (which may be in several seeds' test sets, or in all). V = V_seeds + V_images -
    V_single, and no less than either; degrees of freedom are those of the smaller number of
    clusters, the seeds less one. Source: Cameron, Gelbach and Miller, Robust Inference with
    Multiway Clustering (Journal of Business and Economic Statistics 2011). Where no image is in
    two test sets it is the paired t test over seeds, unless seeds vary less than images make
    them.

    It does not cover that another training set would make other models: all seeds draw from one set
    of images.

    Args:
        pairs: one a seed, at least two.
    """
    change = np.concatenate([pair.second.astype(float) - pair.first for pair in pairs])
    seeds = np.repeat(np.arange(len(pairs)), [len(pair.paths) for pair in pairs])
    _, images = np.unique([path for pair in pairs for path in pair.paths], return_inverse=True)
    rest = change - change.mean()

    def variance(cluster: NDArray[np.integer]) -> float:
        sums = np.bincount(cluster, rest)
        return float((sums**2).sum() * len(sums) / max(len(sums) - 1, 1) / len(rest) ** 2)

    of_seeds, of_images = variance(seeds), variance(images)
    both = of_seeds + of_images - variance(np.arange(len(rest)))
    total = max(both, of_seeds, of_images)
    if total == 0:
        return 1.0 if change.mean() == 0 else 0.0
    t = abs(change.mean()) / np.sqrt(total)
    return float(2 * stdtr(len(pairs) - 1, -t))


def accuracy_difference(pairs: Sequence[PairedResults]) -> AccuracyDifference:
    """How two groups differ. For one seed the p value is that of McNemar's exact test, which takes
    the two models as they are and does not cover what another seed would make of them (Dietterich,
    Approximate Statistical Tests for Comparing Supervised Classification Learning Algorithms,
    Neural Computation 1998); for several it is that of `clustered`.

    Args:
        pairs: one a seed, at least one.
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
    """P values corrected for their number, in the same order: the chance that the smallest of them
    falls below a level by chance alone is at most that level.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure (Scandinavian Journal of
    Statistics 1979).
    """
    corrected, least = list(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = least
    return corrected
