"""Significance tests of the comparison, checked against textbooks, SciPy and simulation."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest, ttest_rel

from tench.report.compare.seed_groups import MeanDeviation, mean_and_deviation
from tench.report.compare.significance import (
    PairedResults,
    accuracy_difference,
    clustered_p_value,
    holm_correction,
)


def pair(first: NDArray[np.bool_], second: NDArray[np.bool_], start: int = 0) -> PairedResults:
    """Pair the results of two models on images numbered from `start`."""
    return PairedResults(
        [f"{number:05d}" for number in range(start, start + len(first))], first, second
    )


def simulated(
    seeds: int, spread_of_seeds: float, rng: np.random.Generator, gain: float = 0.0
) -> list[PairedResults]:
    """Two methods on the same 400 images of different difficulty, whose mistakes get more or less
    likely from seed to seed; with `gain`, those of the second less likely in all."""
    hard = rng.beta(0.3, 6, 400)
    pairs = []
    for _ in range(seeds):
        wrong = [hard * np.exp(rng.normal(0, spread_of_seeds) - shift) for shift in (0.0, gain)]
        pairs.append(pair(*(rng.random(len(hard)) >= chance for chance in wrong)))
    return pairs


def test_holm_correction_matches_textbook_values() -> None:
    # Four hypotheses, as statistics courses show it: 0.005 x 4, 0.01 x 3, 0.03 x 2, then no less.
    assert holm_correction([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm_correction([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm_correction([0.7, 0.6]) == [1.0, 1.0]
    assert holm_correction([0.3]) == [0.3]
    assert holm_correction([]) == []


def test_one_seed_is_mcnemars_exact_test() -> None:
    first = np.array([1] * 30 + [0] * 9 + [1] * 2 + [0] * 4, bool)
    second = np.array([1] * 30 + [1] * 9 + [0] * 2 + [0] * 4, bool)
    found = accuracy_difference([pair(first, second)])
    assert (found.only_first, found.only_second, found.images) == (2, 9, 45)
    assert found.accuracy == pytest.approx(7 / 45)
    assert found.p_value == pytest.approx(binomtest(2, 11).pvalue)
    assert accuracy_difference([pair(first, first)]).p_value == 1


def test_distinct_test_sets_give_the_paired_t_test() -> None:
    rng = np.random.default_rng(1)
    gains = (0.02, 0.05, 0.1, 0.15, 0.18)  # vary more than images would make them
    answers = [(rng.random(200) < 0.8, rng.random(200) < 0.8 + gain) for gain in gains]
    pairs = [pair(first, second, 1000 * n) for n, (first, second) in enumerate(answers)]
    means = [[side.mean() for side in both] for both in answers]
    assert clustered_p_value(pairs) == pytest.approx(ttest_rel(*zip(*means, strict=True)).pvalue)


def test_shared_images_increase_the_p_value() -> None:
    # The second model has five images right in every seed that the first has wrong, and one more.
    first = np.ones(50, bool)
    first[:5] = False
    pairs = []
    for seed in range(4):
        less = first.copy()
        less[10 + seed] = False
        pairs.append(pair(less, np.ones(50, bool)))
    apart = [pair(one.first, one.second, 1000 * n) for n, one in enumerate(pairs)]
    assert clustered_p_value(pairs) > 3 * clustered_p_value(apart)


def test_identical_results_have_p_value_one() -> None:
    same = [pair(np.ones(20, bool), np.ones(20, bool)) for _ in range(3)]
    assert clustered_p_value(same) == 1
    assert accuracy_difference(same).accuracy == 0


def test_false_positive_rate_and_power() -> None:
    rng = np.random.default_rng(2)
    alarms = [clustered_p_value(simulated(5, 0.3, rng)) < 0.05 for _ in range(300)]
    assert np.mean(alarms) < 0.09
    # with one seed, McNemar's test compares two models and does not cover variation between seeds
    single = [accuracy_difference(simulated(1, 0.6, rng)).p_value < 0.05 for _ in range(300)]
    assert np.mean(single) > 0.15
    found = [clustered_p_value(simulated(5, 0.1, rng, gain=1.5)) < 0.05 for _ in range(100)]
    assert np.mean(found) > 0.9


def test_standard_deviation_is_of_the_sample() -> None:
    assert mean_and_deviation([0.9, 0.92, 0.94]) == MeanDeviation(
        pytest.approx(0.92), pytest.approx(0.02)
    )
    assert mean_and_deviation([0.9, None]) == MeanDeviation(0.9, None)
    assert mean_and_deviation([None]) is None
