"""Scores: as scikit-learn and Keras have them, for seen and unseen images apart."""

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


def guesses(count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Random distributions over the classes, and labels they sometimes meet."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.01, 0.99, (count, CLASSES))
    return (
        (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32),
        rng.integers(0, CLASSES, count).astype(np.int32),
    )


def index_rows(labels: NDArray[np.int32]) -> list[Row]:
    """A row of the index for each label."""
    return [
        Row(f"test/c{y}/{n}.webp", "test", int(y), f"c{y}", f"val/c{y}/{n}", "", "", n % 2, n)
        for n, y in enumerate(labels)
    ]


def test_scores_are_scikit_learns() -> None:
    p, labels = guesses(200)
    said = evaluate_predictions(p, labels)
    assert said.is_correct.mean() == accuracy_score(labels, p.argmax(axis=1))
    assert said.loss.mean() == pytest.approx(log_loss(labels, p, labels=range(CLASSES)))


def test_images_compared_some_at_a_time_have_the_same_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    p, labels = guesses(200)
    together = evaluate_predictions(p, labels)
    monkeypatch.setattr(scores, "BLOCK_ROWS", 30)
    for one, other in zip(evaluate_predictions(p, labels), together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(together.rank) == 200


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_loss_of_the_softmax_is_what_keras_trains_on(activation: str) -> None:
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
        run_eagerly=True,  # few steps take longer to trace than to run
    )
    shipped = with_activation(logits)
    shipped.compile(run_eagerly=True)
    for steps in (0, 10):  # at first, and when it has learned
        for _ in range(steps):
            model.train_on_batch(rows, labels)
        expected = model.test_on_batch(rows, labels, return_dict=True)
        said = evaluate_predictions(shipped.predict_on_batch(rows), labels)
        assert said.loss.mean() == pytest.approx(expected["loss"], abs=1e-4)
        assert said.is_correct.mean() == pytest.approx(expected["accuracy"], abs=1e-6)


def test_a_probability_of_nothing_has_a_finite_loss() -> None:
    said = evaluate_predictions(np.array([[1, 0, 0, 0]], np.float32), np.array([1]))
    assert 80 < said.loss[0] < 110
    assert said.label_probability[0] == 0


FIGURES = {f"{name}{end}" for name in ("accuracy", "loss") for end in ("", "_interval")}
FIGURES |= {"images"}


def test_seen_and_unseen_images_are_scored_apart() -> None:
    p, labels = guesses(100)
    seen = np.arange(100) < 70
    result: dict[str, Any] = score_predictions(evaluate_predictions(p, labels), seen, 1)
    assert set(result) == FIGURES | {"calibration_error", "seen", "unseen"}
    for part, group in (("seen", seen), ("unseen", ~seen)):
        assert set(result[part]) == FIGURES
        assert result[part]["accuracy"] == accuracy_score(labels[group], p[group].argmax(axis=1))
        expected = log_loss(labels[group], p[group], labels=range(4))
        assert result[part]["loss"] == pytest.approx(expected)
        assert result[part]["images"] == group.sum()
        for name in ("accuracy", "loss"):
            low, high = result[part][f"{name}_interval"]
            assert low < result[part][name] < high
    assert result["images"] == 100
    both = 0.7 * result["seen"]["accuracy"] + 0.3 * result["unseen"]["accuracy"]
    assert result["accuracy"] == pytest.approx(both)


@pytest.mark.parametrize("seen", [True, False])
def test_images_of_one_kind_are_not_scored_apart(seen: bool) -> None:
    p, labels = guesses(20)
    result = score_predictions(evaluate_predictions(p, labels), np.full(20, seen), 1)
    assert set(result) == FIGURES | {"calibration_error"}


def two_models(count: int) -> tuple[dict[str, Any], list[Row]]:
    """What two made-up models say of images of CLASSES classes."""
    first, labels = guesses(count)
    labels[:CLASSES] = range(CLASSES)
    second = first.copy()
    second[np.arange(count), labels] += 0.3
    second /= second.sum(axis=1, keepdims=True)
    outcomes = {
        "frozen": evaluate_predictions(first, labels),
        "finetuned": evaluate_predictions(second, labels),
    }
    return outcomes, index_rows(labels)


def test_per_class_scores_are_scikit_learns() -> None:
    outcomes, rows = two_models(80)
    labels, said = [row.label for row in rows], outcomes["finetuned"]
    report = classification_report(labels, said.predicted, output_dict=True, zero_division=0)
    for number, row in enumerate(class_rows(said, rows)):
        expected = report[str(number)]
        assert row["class_name"] == f"c{number}"
        assert row["f1"] == pytest.approx(expected["f1-score"])
        assert (row["precision"], row["recall"], row["images"]) == pytest.approx(
            (expected["precision"], expected["recall"], expected["support"])
        )
    metrics: dict[str, Any] = summarize_evaluation(outcomes, rows, 1)
    assert metrics["macro_f1"] == pytest.approx(f1_score(labels, said.predicted, average="macro"))


def test_scores_can_be_had_again_from_the_predictions() -> None:
    outcomes, rows = two_models(80)
    metrics: dict[str, Any] = summarize_evaluation(outcomes, rows, 1)
    table = prediction_rows(outcomes, rows)
    for prefix, model in (("frozen_", "frozen"), ("", "finetuned")):
        right = [row["label"] == row[f"{prefix}prediction"] for row in table]
        assert np.mean(right) == metrics[model]["accuracy"]
        of_label = [row[f"{prefix}label_probability"] for row in table]
        assert -np.log(of_label).mean() == pytest.approx(metrics[model]["loss"])
        assert [row[f"{prefix}rank"] == 1 for row in table] == right
        bins = calibration_rows(outcomes[model])
        assert sum(one["images"] * one["accuracy"] for one in bins) == pytest.approx(sum(right))
    won = sum(r["prediction"] == r["label"] != r["frozen_prediction"] for r in table)
    assert metrics["mcnemar"]["only_finetuned"] == won > 0


def test_rank_counts_the_classes_before_the_label() -> None:
    said = evaluate_predictions(np.array([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7]]), np.array([1, 2]))
    assert said.rank.tolist() == [3, 1]


def test_surest_mistakes_come_first() -> None:
    outcomes, _ = two_models(80)
    said = outcomes["frozen"]
    places = most_confident_errors(said, 5)
    assert len(places) == 5
    assert not said.is_correct[places].any()
    assert said.confidence[places[0]] == said.confidence[~said.is_correct].max()
