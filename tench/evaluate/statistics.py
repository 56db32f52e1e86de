"""How sure a score is: intervals, calibration, and whether two models differ."""

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


def accuracy_interval(right: NDArray[np.bool_]) -> tuple[float, float]:
    """95 % interval of an accuracy: Wilson's score interval.

    It is no point where every image is right, and holds near 1 and for few images, where
    resampling does not. Source: Wilson, Probable Inference, the Law of Succession, and Statistical
    Inference (JASA 1927); Brown, Cai and DasGupta, Interval Estimation for a Binomial Proportion
    (Statistical Science 2001) compare it with others.

    Args:
        right: (images,), whether the model named each rightly; at least one.
    """
    ends = binomtest(int(right.sum()), len(right)).proportion_ci(CONFIDENCE_LEVEL, method="wilson")
    return float(ends.low), float(ends.high)


def mean_interval(values: NDArray[np.floating], seed: int) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean, such as a loss.

    Every resample draws, with replacement, as many images as there are, from all of them: a class
    of one or two images, drawn by itself, would not vary. Source: Efron and Tibshirani, An
    Introduction to the Bootstrap (1993), chapter 13.

    Args:
        values: (images,), one value an image.
        seed: of the resampling.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    means = [values[rng.integers(0, count, count)].mean() for _ in range(RESAMPLES)]
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def reliability_bins(
    confidence: NDArray[np.floating], right: NDArray[np.bool_]
) -> list[CalibrationBin]:
    """The bins of a reliability diagram, BINS of equal width, those without images left out.

    Args:
        confidence: (images,), probability of the predicted class, 0 ... 1.
        right: (images,), whether that class is the label.
    """
    edges = np.linspace(0, 1, BINS + 1)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, BINS - 1)
    return [
        CalibrationBin(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            images=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            accuracy=float(right[inside].mean()),
        )
        for number in range(BINS)
        if (inside := place == number).any()
    ]


def expected_calibration_error(bins: list[CalibrationBin]) -> float:
    """Expected calibration error: the mean of |accuracy - confidence| over images, bin by bin.

    Source: Naeini, Cooper and Hauskrecht, Obtaining Well Calibrated Probabilities Using Bayesian
    Binning (AAAI 2015).
    """
    images = sum(one.images for one in bins)
    return sum(one.images * abs(one.accuracy - one.confidence) for one in bins) / images


def mcnemar_test(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> dict[str, float | int]:
    """McNemar's exact test of two models on the same images.

    Args:
        before: (images,), whether the first model is right.
        after: (images,), whether the second is.

    Returns:
        only_frozen and only_finetuned, the images that only the first or only the second has
        right, and p_value: how often chance alone would part them as unevenly (two-sided).
    """
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    p_value = binomtest(lost, lost + won).pvalue if lost + won else 1.0
    return {"only_frozen": lost, "only_finetuned": won, "p_value": float(p_value)}
