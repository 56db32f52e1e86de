"""Confidence intervals, calibration error and McNemar's test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

RESAMPLES = 2000
CONFIDENCE_LEVEL = 0.95
BINS = 15


class CalibrationBin(NamedTuple):
    """The images whose confidence lies in one interval of a reliability diagram."""

    low: float
    high: float
    images: int
    confidence: float  # mean
    accuracy: float


def accuracy_interval(correct: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % confidence interval of an accuracy: Wilson's score interval.

    Unlike resampling, it holds near 1 and for few images. Source: Wilson, Probable Inference, the
    Law of Succession, and Statistical Inference (JASA 1927); compared with others by Brown, Cai and
    DasGupta, Interval Estimation for a Binomial Proportion (Statistical Science 2001).

    Args:
        correct: (images,), whether each prediction is correct; at least one.

    Returns:
        the low and the high end.
    """
    ends = binomtest(int(correct.sum()), len(correct)).proportion_ci(
        CONFIDENCE_LEVEL, method="wilson"
    )
    return float(ends.low), float(ends.high)


def mean_interval(values: NDArray[np.floating], seed: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, such as a loss.

    Resamples are not stratified by class: a class of one or two images would not vary. Source:
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        values: (images,), one value per image.
        seed: of the resampling.

    Returns:
        the low and the high end.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    means = [values[rng.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    alpha = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(means, [alpha, 1 - alpha])
    return float(low), float(high)


def reliability_bins(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_]
) -> list[CalibrationBin]:
    """The bins of a reliability diagram: BINS of equal width, without the empty ones.

    Args:
        confidence: (images,), probability of the predicted class, in [0, 1].
        correct: (images,), whether the predicted class is the label.
    """
    edges = np.linspace(0, 1, BINS + 1)
    indices = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    return [
        CalibrationBin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(correct[inside].mean()),
        )
        for number in range(BINS)
        if (inside := indices == number).any()
    ]


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Expected calibration error: sum over bins of images / total * |accuracy - confidence|.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning (AAAI 2015).
    """
    total = sum(bin.images for bin in bins)
    return sum(bin.images * abs(bin.accuracy - bin.confidence) for bin in bins) / total


def mcnemar_test(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> dict[str, float | int]:
    """McNemar's exact test of two models on the same images.

    Args:
        before: (images,), whether the first model is correct.
        after: (images,), whether the second model is correct.

    Returns:
        only_frozen and only_finetuned, the numbers of images that only the first or only the
        second model predicts correctly, and the two-sided p_value.
    """
    only_first, only_second = int((before & ~after).sum()), int((~before & after).sum())
    discordant = only_first + only_second
    p_value = binomtest(only_first, discordant).pvalue if discordant else 1.0
    return {
        "only_frozen": only_first,
        "only_finetuned": only_second,
        "p_value": float(p_value),
    }
