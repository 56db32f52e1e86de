"""Logistic regression on features: it learns, chooses its strength, and fits what memory holds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_shards import make_row
from feature_shards import write_features as stored_features
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tench.data.index import row_weights
from tench.data.store.shards import open_shards
from tench.model import linear_probe
from tench.model.linear_probe import (
    fit_linear_probe,
    fit_logistic_regression,
    most_regularized_adequate,
    predict_probabilities,
    predict_stored_rows,
    select_l2_strength,
    stratified_sample,
)


def blobs(counts: list[int], noise: float, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Noise around one center a class: features like the backbone's, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centers = np.random.default_rng(99).uniform(0, 1, (len(counts), 1280))
    features = centers[labels] + rng.normal(0, noise, (len(labels), 1280))
    return features.astype(np.float32), labels.astype(np.int32)


@pytest.mark.parametrize("classes", [2, 3])
def test_it_is_scikit_learns(classes: int) -> None:
    features, labels = blobs([20] * classes, noise=3)
    linear = fit_logistic_regression(features, labels, 1e3, balanced=False)
    theirs = LogisticRegression(C=1e3 / len(labels), max_iter=500).fit(features, labels)
    assert linear.kernel.shape == (1280, classes)
    expected = theirs.predict_proba(features)
    np.testing.assert_allclose(predict_probabilities(linear, features), expected, atol=1e-4)


def test_balanced_classes_weigh_the_same() -> None:
    features, labels = blobs([200, 10], noise=20)
    unseen, of = blobs([300, 300], noise=20, seed=1)
    rare = [
        (
            predict_probabilities(
                fit_logistic_regression(features, labels, 1e2, balanced), unseen
            ).argmax(axis=1)
            == of
        )[300:]
        for balanced in (False, True)
    ]
    assert rare[1].mean() > rare[0].mean()
    weights = row_weights(labels, balanced=True)
    assert np.bincount(labels, weights) == pytest.approx([105, 105])
    assert row_weights(labels, balanced=False).tolist() == [1] * 210


def test_the_strength_is_the_one_that_does_best_on_rows_held_out() -> None:
    features, labels = blobs([40, 40], noise=12)  # much noise: the less free, the better
    assert select_l2_strength(features, labels, False, 0) == min(linear_probe.L2_STRENGTHS)
    features, labels = blobs([40, 40], noise=0.1)
    assert select_l2_strength(features, labels, False, 0) == max(linear_probe.L2_STRENGTHS)


def test_of_losses_that_chance_could_part_the_least_free_is_chosen() -> None:
    rng = np.random.default_rng(0)
    least = rng.uniform(0, 1, 100)
    noise = rng.normal(0, 0.2, 100) - 0.01
    assert (
        most_regularized_adequate(
            np.stack([least + 0.1, least + noise - noise.mean() + 0.01, least])
        )
        == 1
    )
    assert most_regularized_adequate(np.stack([least + 0.1, least + 0.01, least])) == 2
    assert most_regularized_adequate(np.stack([least, least, least + 0.1])) == 0


def test_where_balanced_the_classes_weigh_the_same_in_what_is_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rare class, a tenth of the rows, alone gains by freedom."""
    labels = np.repeat([0, 1], [90, 10])

    def said(strength: float, features: NDArray[Any]) -> NDArray[Any]:
        rare = features[:, 0] == 1
        right = np.where(rare, 0.3 + 0.1 * np.log10(strength), 0.9 - 0.06 * np.log10(strength))
        return np.stack(
            [np.where(rare, 1 - right, right), np.where(rare, right, 1 - right)], axis=1
        )

    monkeypatch.setattr(
        linear_probe,
        "fit_logistic_regression",
        lambda _features, _labels, strength, _balanced: strength,
    )
    monkeypatch.setattr(linear_probe, "predict_probabilities", said)
    features = labels[:, np.newaxis].astype(np.float32)
    chosen = [select_l2_strength(features, labels, balanced, 0) for balanced in (False, True)]
    assert chosen == [1e0, 1e2]


def test_with_a_single_image_of_a_class_there_is_nothing_to_choose_by() -> None:
    features, labels = blobs([5, 1], noise=1)
    assert select_l2_strength(features, labels, False, 0) == linear_probe.DEFAULT_L2_STRENGTH


def test_no_more_rows_are_fitted_than_memory_should_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = blobs([60, 30, 3], noise=0.5)
    rows = [make_row(number, "train", label=int(label)) for number, label in enumerate(labels)]
    stored_features(tmp_path / "train", features, rows)
    shards = open_shards(tmp_path / "train", rows)
    read: list[int] = []

    def counted(stored: Any, places: NDArray[np.int64]) -> NDArray[Any]:
        read.append(len(places))
        return features[places]

    monkeypatch.setattr(linear_probe, "MAX_FIT_ROWS", 31)
    monkeypatch.setattr(linear_probe, "read_rows", counted)
    linear, _ = fit_linear_probe(shards, labels, False, 0)
    assert max(read) <= 31 + 3
    said = predict_stored_rows(linear, shards, rows=10)
    assert max(read[1:]) == 10
    parts = [
        predict_probabilities(linear, features[start : start + 10]) for start in range(0, 93, 10)
    ]
    np.testing.assert_allclose(said, np.concatenate(parts), atol=1e-12)
    assert (said.argmax(axis=1) == labels).mean() > 0.95


def test_rows_are_chosen_by_the_seed_and_every_class_has_some() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 4])
    chosen = stratified_sample(labels, 90, 1)
    assert np.bincount(labels[chosen]).tolist() == [59, 29, 2]
    assert np.array_equal(chosen, stratified_sample(labels, 90, 1))
    assert not np.array_equal(chosen, stratified_sample(labels, 90, 2))
    assert np.array_equal(stratified_sample(labels, 904, 1), np.arange(904))
