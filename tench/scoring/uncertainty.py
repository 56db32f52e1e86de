"""How sure a score is: intervals, calibration, and whether two models differ."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 2000
LEVEL = 0.95
BINS = 15


class Bin(NamedTuple):
    """The pictures whose confidence lies in one interval of a reliability diagram."""

    low: float
    high: float
    pictures: int
    confidence: float  # mean
    accuracy: float


def accuracy_interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % interval of an accuracy: Wilson's score interval.

    It is no point where every picture is right, and holds near 1 and for few pictures, where
    resampling does not. Source: Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference (JASA 1927); Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion
    (Statistical Science 2001) compare it with others.

    Args:
        right: (pictures,), whether the model named each rightly; at least one.
    """
    ends = binomtest(int(right.sum()), len(right)).proportion_ci(LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def mean_interval(values: NDArray[np.floating], seed: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, such as a loss.

    Every resample draws, with replacement, as many pictures as there are, from all of them: a class
    of one or two pictures, drawn by itself, would not vary. Source: Efron and Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13.

    Args:
        values: (pictures,), one value a picture.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    means = [values[rng.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def reliability(confidence: NDArray[np.floating], right: NDArray[np.bool_]) -> list[Bin]:
    """The bins of a reliability diagram, BINS of equal width, those without pictures left out.

    Args:
        confidence: (pictures,), probability of the predicted class, 0 ... 1.
        right: (pictures,), whether that class is the label.
    """
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    return [
        Bin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            pictures=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for number in range(BINS)
        if (inside := place == number).any()
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: the mean of |accuracy - confidence| over pictures, bin by bin.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning (AAAI 2015).
    """
    pictures = sum(one.pictures for one in bins)
    return sum(one.pictures * abs(one.accuracy - one.confidence) for one in bins) / pictures


def mcnemar(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> dict[str, float | int]:
    """McNemar's exact test of two models on the same pictures.

    Args:
        before: (pictures,), whether the first model is right.
        after: (pictures,), whether the second is.

    Returns:
        only_frozen and only_finetuned, the pictures that only the first or only the second has
        right, and p_value: how often chance alone would part them as unevenly (two-sided).
    """
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    p_value = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    return {"only_frozen": lost, "only_finetuned": won, "p_value": float(p_value)}
