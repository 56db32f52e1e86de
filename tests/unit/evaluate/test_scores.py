"""Scores agree with scikit-learn and Keras, for seen and unseen images."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, classification_report, f1_score, log_loss

from tench.data.index import Row
from tench.evaluate import scores
from tench.evaluate.results import (
    calibration_rows,
    class_rows,
    most_confident_errors,
    prediction_rows,
    summarize_evaluation,
)
from tench.evaluate.scores import evaluate_predictions, score_predictions

CLASSES = 4


def random_predictions(count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Random class probabilities, and random labels."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.01, 0.99, (count, CLASSES))
    return (
        (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        rng.integers(0, CLASSES, count).astype(np.int32),
    )


def index_rows(labels: NDArray[np.int32]) -> list[Row]:
    """A row of the index for every label."""
    return [
        Row(f"test/c{y}/{n}.webp", "test", int(y), f"c{y}", f"val/c{y}/{n}", "", "", n % 2, n)
        for n, y in enumerate(labels)
    ]


def test_scores_equal_scikit_learn() -> None:
    p, labels = random_predictions(200)
    scored = evaluate_predictions(p, labels)
    assert scored.is_correct.mean() == accuracy_score(labels, p.argmax(axis=1))
    assert scored.loss.mean() == pytest.approx(log_loss(labels, p, labels=range(CLASSES)))


def test_blocks_do_not_change_the_predictions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p, labels = random_predictions(200)
    whole = evaluate_predictions(p, labels)
    monkeypatch.setattr(scores, "BLOCK_ROWS", 30)
    for actual, expected in zip(evaluate_predictions(p, labels), whole, strict=True):
        np.testing.assert_array_equal(actual, expected)
    assert len(whole.label_rank) == 200


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_loss_of_the_softmax_equals_keras(activation: str) -> None:
    from tench.model.network.classifier import with_activation
    from tench.model.network.keras_setup import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, 120)
    rows = rng.normal(0, 1, (120, 16)) + 1.5 * np.eye(16)[labels]
    logits = keras.Sequential([keras.Input((16,)), keras.layers.Dense(CLASSES)])
    model: Any = with_activation(logits, activation)
    model.compile(
        keras.optimizers.Adam(0.05),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        run_eagerly=True,  # tracing takes longer than these few steps
    )
    classifier = with_activation(logits)
    classifier.compile(run_eagerly=True)
    for steps in (0, 10):  # before and after training
        for _ in range(steps):
            model.train_on_batch(rows, labels)
        expected = model.test_on_batch(rows, labels, return_dict=True)
        scored = evaluate_predictions(classifier.predict_on_batch(rows), labels)
        assert scored.loss.mean() == pytest.approx(expected["loss"], abs=1e-4)
        assert scored.is_correct.mean() == pytest.approx(expected["accuracy"], abs=1e-6)


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    scored = evaluate_predictions(np.array([[1, 0, 0, 0]], np.float32), np.array([1]))
    assert 80 < scored.loss[0] < 110
    assert scored.label_probability[0] == 0


METRICS = {f"{name}{end}" for name in ("accuracy", "loss") for end in ("", "_interval")}
METRICS |= {"images"}


def test_seen_and_unseen_images_are_scored_separately() -> None:
    p, labels = random_predictions(100)
    seen = np.arange(100) < 70
    result: dict[str, Any] = score_predictions(evaluate_predictions(p, labels), seen, 1)
    assert set(result) == METRICS | {"calibration_error", "seen", "unseen"}
    for part, group in (("seen", seen), ("unseen", ~seen)):
        assert set(result[part]) == METRICS
        assert result[part]["accuracy"] == accuracy_score(labels[group], p[group].argmax(axis=1))
        expected = log_loss(labels[group], p[group], labels=range(4))
        assert result[part]["loss"] == pytest.approx(expected)
        assert result[part]["images"] == group.sum()
        for name in ("accuracy", "loss"):
            low, high = result[part][f"{name}_interval"]
            assert low < result[part][name] < high
    assert result["images"] == 100
    weighted = 0.7 * result["seen"]["accuracy"] + 0.3 * result["unseen"]["accuracy"]
    assert result["accuracy"] == pytest.approx(weighted)


@pytest.mark.parametrize("seen", [True, False])
def test_images_all_seen_or_all_unseen_are_scored_once(seen: bool) -> None:
    p, labels = random_predictions(20)
    result = score_predictions(evaluate_predictions(p, labels), np.full(20, seen), 1)
    assert set(result) == METRICS | {"calibration_error"}


def two_models(count: int) -> tuple[dict[str, Any], list[Row]]:
    """The predictions of two made-up models, and the rows of their images."""
    first, labels = random_predictions(count)
    labels[:CLASSES] = range(CLASSES)
    second = first.copy()
    second[np.arange(count), labels] += 0.3
    second /= second.sum(axis=1, keepdims=True)
    predictions = {
        "frozen": evaluate_predictions(first, labels),
        "finetuned": evaluate_predictions(second, labels),
    }
    return predictions, index_rows(labels)


def test_per_class_scores_equal_scikit_learn() -> None:
    predictions, rows = two_models(80)
    labels, finetuned = [row.label for row in rows], predictions["finetuned"]
    report = classification_report(labels, finetuned.predicted, output_dict=True, zero_division=0)
    for number, row in enumerate(class_rows(finetuned, rows)):
        expected = report[str(number)]
        assert row["class_name"] == f"c{number}"
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert (row["precision"], row["recall"], row["images"]) == pytest.approx(
            (expected["precision"], expected["recall"], expected["support"])
        )
    metrics: dict[str, Any] = summarize_evaluation(predictions, rows, 1)
    assert metrics["macro_f1"] == pytest.approx(
        f1_score(labels, finetuned.predicted, average="macro")
    )


def test_scores_follow_from_the_table_of_predictions() -> None:
    predictions, rows = two_models(80)
    metrics: dict[str, Any] = summarize_evaluation(predictions, rows, 1)
    table = prediction_rows(predictions, rows)
    for prefix, model in (("frozen_", "frozen"), ("", "finetuned")):
        correct = [row["label"] == row[f"{prefix}prediction"] for row in table]
        assert np.mean(correct) == metrics[model]["accuracy"]
        probabilities = [row[f"{prefix}label_probability"] for row in table]
        assert -np.log(probabilities).mean() == pytest.approx(metrics[model]["loss"])
        assert [row[f"{prefix}rank"] == 1 for row in table] == correct
        bins = calibration_rows(predictions[model])
        assert sum(row["images"] * row["accuracy"] for row in bins) == pytest.approx(sum(correct))
    won = sum(r["prediction"] == r["label"] != r["frozen_prediction"] for r in table)
    assert metrics["mcnemar"]["only_finetuned"] == won > 0


def test_rank_counts_the_more_probable_classes() -> None:
    scored = evaluate_predictions(np.array([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7]]), np.array([1, 2]))
    assert scored.label_rank.tolist() == [3, 1]


def test_most_confident_errors_come_first() -> None:
    predictions, _ = two_models(80)
    frozen = predictions["frozen"]
    indices = most_confident_errors(frozen, 5)
    assert len(indices) == 5
    assert not frozen.is_correct[indices].any()
    assert frozen.confidence[indices[0]] == frozen.confidence[~frozen.is_correct].max()
