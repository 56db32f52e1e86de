"""Intervals, calibration and McNemar's test, against SciPy, scikit-learn and pencil and paper."""

from math import comb

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve

from tench.uncertainty import BINS, bootstrap_intervals, calibration_error, mcnemar, reliability


@pytest.fixture
def said() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidences, and whether the prediction was right, about as often as they say."""
    rng = np.random.default_rng(3)
    confidence = rng.uniform(0.1, 1, 600)
    return confidence, rng.random(600) < confidence


def test_bootstrap_of_one_stratum_is_scipys() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([rng.random(300) < 0.9, rng.exponential(0.2, 300)]).astype(float)
    ours = bootstrap_intervals(values, np.zeros(300, int), seed=1)
    for column, (low, high) in enumerate(ours):
        reference = bootstrap(
            (values[:, column],), np.mean, method="percentile", n_resamples=9999, rng=2
        ).confidence_interval
        width = reference.high - reference.low
        assert low == pytest.approx(reference.low, abs=0.06 * width)
        assert high == pytest.approx(reference.high, abs=0.06 * width)


def test_resampling_keeps_the_classes_shares() -> None:
    strata = np.repeat([4, 7, 9], [5, 50, 20])
    values = strata[:, None].astype(float)  # nothing varies within a class
    assert bootstrap_intervals(values, strata, 0) == [(values.mean(), values.mean())]


def test_intervals_follow_from_the_seed_alone_and_not_from_the_order() -> None:
    rng = np.random.default_rng(0)
    values, strata = rng.random((60, 1)), np.repeat([0, 1, 2], 20)
    first = bootstrap_intervals(values, strata, 5)
    assert bootstrap_intervals(values, strata, 5) == first
    assert bootstrap_intervals(values, strata, 6) != first


def test_reliability_is_scikit_learns(
    said: tuple[NDArray[np.float64], NDArray[np.bool_]],
) -> None:
    confidence, right = said
    bins = reliability(confidence, right)
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS)
    np.testing.assert_allclose([one.accuracy for one in bins], accuracy)
    np.testing.assert_allclose([one.confidence for one in bins], mean)
    assert sum(one.pictures for one in bins) == len(confidence)


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.99, 0.97, 0.98, 0.96, 0.35, 0.36])
    right = np.array([True, True, True, False, True, False])
    expected = 4 / 6 * abs(3 / 4 - 0.975) + 2 / 6 * abs(1 / 2 - 0.355)
    assert calibration_error(reliability(confidence, right)) == pytest.approx(expected)


def test_certain_predictions_are_in_the_last_bin() -> None:
    assert reliability(np.array([1.0, 0.0]), np.array([True, False]))[-1].pictures == 1


@pytest.mark.parametrize(("lost", "won"), [(0, 0), (5, 0), (3, 11), (8, 8)])
def test_mcnemar_by_hand(lost: int, won: int) -> None:
    before = np.array([True] * lost + [False] * won + [True] * 7 + [False] * 2)
    after = np.array([False] * lost + [True] * won + [True] * 7 + [False] * 2)
    result = mcnemar(before, after)
    assert (result["only_frozen"], result["only_finetuned"]) == (lost, won)
    tail = sum(comb(lost + won, k) for k in range(min(lost, won) + 1)) / 2 ** (lost + won)
    assert result["p_value"] == pytest.approx(min(1, 2 * tail))
