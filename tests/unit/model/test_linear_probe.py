"""The linear probe: its fit, the choice of its strength, and its bounded memory."""

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
    """Noise around one center per class: features of the backbone's shape, and labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centers = np.random.default_rng(99).uniform(0, 1, (len(counts), 1280))
    features = centers[labels] + rng.normal(0, noise, (len(labels), 1280))
    return features.astype(np.float32), labels.astype(np.int32)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_equal_scikit_learn(classes: int) -> None:
    features, labels = blobs([20] * classes, noise=3)
    probe = fit_logistic_regression(features, labels, 1e3, balanced=False)
    reference = LogisticRegression(C=1e3 / len(labels), max_iter=500).fit(features, labels)
    assert probe.kernel.shape == (1280, classes)
    expected = reference.predict_proba(features)
    np.testing.assert_allclose(predict_probabilities(probe, features), expected, atol=1e-4)


def test_balanced_classes_count_the_same() -> None:
    features, labels = blobs([200, 10], noise=20)
    test, test_labels = blobs([300, 300], noise=20, seed=1)

    def rare_recall(balanced: bool) -> float:
        probe = fit_logistic_regression(features, labels, 1e2, balanced)
        correct = predict_probabilities(probe, test).argmax(axis=1) == test_labels
        return float(correct[300:].mean())

    assert rare_recall(balanced=True) > rare_recall(balanced=False)
    weights = row_weights(labels, balanced=True)
    assert np.bincount(labels, weights) == pytest.approx([105, 105])
    assert row_weights(labels, balanced=False).tolist() == [1] * 210


def test_the_strength_with_the_best_validation_loss_is_selected() -> None:
    features, labels = blobs([40, 40], noise=12)  # much noise needs strong regularization
    assert select_l2_strength(features, labels, False, 0) == min(linear_probe.L2_STRENGTHS)
    features, labels = blobs([40, 40], noise=0.1)
    assert select_l2_strength(features, labels, False, 0) == max(linear_probe.L2_STRENGTHS)


def test_the_most_regularized_of_equally_good_models_is_selected() -> None:
    rng = np.random.default_rng(0)
    best = rng.uniform(0, 1, 100)
    noise = rng.normal(0, 0.2, 100)
    similar = best + noise - noise.mean() + 0.01
    assert most_regularized_adequate(np.stack([best + 0.1, similar, best])) == 1
    assert most_regularized_adequate(np.stack([best + 0.1, best + 0.01, best])) == 2
    assert most_regularized_adequate(np.stack([best, best, best + 0.1])) == 0


def test_balanced_classes_count_the_same_in_the_validation_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the rare class, a tenth of the rows, gains from less regularization."""
    labels = np.repeat([0, 1], [90, 10])

    def probabilities(strength: float, features: NDArray[Any]) -> NDArray[Any]:
        rare = features[:, 0] == 1
        correct = np.where(rare, 0.3 + 0.1 * np.log10(strength), 0.9 - 0.06 * np.log10(strength))
        rare_probability = np.where(rare, correct, 1 - correct)
        return np.stack([1 - rare_probability, rare_probability], axis=1)

    monkeypatch.setattr(
        linear_probe,
        "fit_logistic_regression",
        lambda _features, _labels, strength, _balanced: strength,
    )
    monkeypatch.setattr(linear_probe, "predict_probabilities", probabilities)
    features = labels[:, np.newaxis].astype(np.float32)
    selected = [select_l2_strength(features, labels, balanced, 0) for balanced in (False, True)]
    assert selected == [1e0, 1e2]


def test_a_class_of_one_image_gets_the_default_strength() -> None:
    features, labels = blobs([5, 1], noise=1)
    assert select_l2_strength(features, labels, False, 0) == linear_probe.DEFAULT_L2_STRENGTH


def test_the_number_of_rows_in_memory_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features, labels = blobs([60, 30, 3], noise=0.5)
    rows = [make_row(number, "train", label=int(label)) for number, label in enumerate(labels)]
    stored_features(tmp_path / "train", features, rows)
    shards = open_shards(tmp_path / "train", rows)
    counts: list[int] = []

    def count_rows(stored: Any, indices: NDArray[np.int64]) -> NDArray[Any]:
        counts.append(len(indices))
        return features[indices]

    monkeypatch.setattr(linear_probe, "MAX_FIT_ROWS", 31)
    monkeypatch.setattr(linear_probe, "read_rows", count_rows)
    probe, _ = fit_linear_probe(shards, labels, False, 0)
    assert max(counts) <= 31 + 3
    predicted = predict_stored_rows(probe, shards, batch_size=10)
    assert max(counts[1:]) == 10
    parts = [
        predict_probabilities(probe, features[start : start + 10]) for start in range(0, 93, 10)
    ]
    np.testing.assert_allclose(predicted, np.concatenate(parts), atol=1e-12)
    assert (predicted.argmax(axis=1) == labels).mean() > 0.95


def test_a_sample_depends_on_the_seed_and_has_every_class() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 4])
    sample = stratified_sample(labels, 90, 1)
    assert np.bincount(labels[sample]).tolist() == [59, 29, 2]
    assert np.array_equal(sample, stratified_sample(labels, 90, 1))
    assert not np.array_equal(sample, stratified_sample(labels, 90, 2))
    assert np.array_equal(stratified_sample(labels, 904, 1), np.arange(904))
