"""Intervals, calibration and McNemar's test, against SciPy, scikit-learn and hand calculation."""

from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve

from tench.evaluate.statistics import (
    BINS,
    accuracy_interval,
    expected_calibration_error,
    mcnemar_test,
    mean_interval,
    reliability_bins,
)


@pytest.fixture
def calibrated() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences, and whether each prediction is correct, with that probability."""
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.1, 1, 600)
    return confidence, rng.random(600) < confidence


def test_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).exponential(0.2, 300)
    low, high = mean_interval(values, seed=1)
    reference = bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=2
    ).confidence_interval
    width = reference.high - reference.low
    assert low == pytest.approx(reference.low, abs=0.06 * width)
    assert high == pytest.approx(reference.high, abs=0.06 * width)


def test_one_image_per_class_has_an_interval() -> None:
    losses = np.array([0.1, 0.5, 2.0])  # one image of each of three classes
    low, high = mean_interval(losses, 0)
    assert low < losses.mean() < high
    low, high = accuracy_interval(np.ones(3, bool))
    assert (low, high) == (pytest.approx(3 / (3 + 1.959964**2)), 1)


def test_bootstrap_depends_on_the_seed_alone() -> None:
    values = np.random.default_rng(0).random(60)
    first = mean_interval(values, 5)
    assert mean_interval(values, 5) == first
    assert mean_interval(values, 6) != first


@pytest.mark.parametrize(
    ("correct", "images", "low", "high"),
    [(29, 29, 0.8830, 1.0), (28, 29, 0.8282, 0.9939), (763, 785, 0.9579, 0.9814)],
)
def test_accuracy_interval_by_wilson(correct: int, images: int, low: float, high: float) -> None:
    predictions = np.arange(images) < correct
    assert accuracy_interval(predictions) == pytest.approx((low, high), abs=1e-4)


def coverage(
    images: int, accuracies: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """The coverage of the intervals of simulated test sets, for each true accuracy."""
    ends = np.array(
        [accuracy_interval(np.arange(images) < correct) for correct in range(images + 1)]
    )
    low, high = ends[rng.binomial(images, accuracies, (20_000, len(accuracies)))].transpose(2, 0, 1)
    return ((low <= accuracies) & (accuracies <= high)).mean(axis=0)


@pytest.mark.parametrize("images", [30, 60, 150, 400, 800])
def test_intervals_have_nominal_coverage(images: int) -> None:
    rng = np.random.default_rng(1)
    accuracies = np.linspace(0.8, 0.99, 39)
    result = coverage(images, accuracies, rng)
    assert 0.94 < result.mean() < 0.96
    # With few errors no interval can do better: for 50 images at an accuracy of .99, at most one
    # error has a probability of .911, at most two of .986.
    few = images * (1 - accuracies) < 3
    assert result[~few].min() > 0.925
    assert result[~few].max() < 0.98
    assert result.min() > 0.89


def test_reliability_equals_scikit_learn(
    calibrated: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    confidence, correct = calibrated
    bins = reliability_bins(confidence, correct)
    accuracy, mean = calibration_curve(correct, confidence, n_bins=BINS)
    np.testing.assert_allclose([row.accuracy for row in bins], accuracy)
    np.testing.assert_allclose([row.confidence for row in bins], mean)
    assert sum(row.images for row in bins) == len(confidence)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.99, 0.97, 0.98, 0.96, 0.35, 0.36])
    correct = np.array([True, True, True, False, True, False])
    expected = 4 / 6 * abs(3 / 4 - 0.975) + 2 / 6 * abs(1 / 2 - 0.355)
    assert expected_calibration_error(reliability_bins(confidence, correct)) == pytest.approx(
        expected
    )


def test_certain_predictions_are_in_the_last_bin() -> None:
    assert reliability_bins(np.array([1.0, 0.0]), np.array([True, False]))[-1].images == 1


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 0), (3, 11), (8, 8)])
def test_mcnemar_by_hand(lost: int, won: int) -> None:
    before = np.array([True] * lost + [False] * won + [True] * 7 + [False] * 2)
    after = np.array([False] * lost + [True] * won + [True] * 7 + [False] * 2)
    result = mcnemar_test(before, after)
    assert (result["only_frozen"], result["only_finetuned"]) == (lost, won)
    tail = sum(comb(lost + won, k) for k in range(min(lost, won) + 1)) / 2 ** (lost + won)
    assert result["p_value"] == pytest.approx(min(1, 2 * tail))
