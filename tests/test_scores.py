"""Scores: as scikit-learn and Keras have them, for seen and unseen pictures apart."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, classification_report, f1_score, log_loss

from stages.evaluate import check_agreement
from tench.cli import TenchError
from tench.index import Row
from tench.results import (
    calibration_rows,
    class_rows,
    prediction_rows,
    summarise,
    worst_mistakes,
)
from tench.scores import normalised, outcome, score

CLASSES = 4


def guesses(count: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Random probabilities, and labels they sometimes meet."""
    rng = np.random.default_rng(0)
    return (
        rng.uniform(0.01, 0.99, (count, CLASSES)).astype(np.float32),
        rng.integers(0, CLASSES, count).astype(np.int32),
    )


def index_rows(labels: NDArray[np.int32]) -> list[Row]:
    """A row of the index for each label."""
    return [
        Row(f"test/c{y}/{n}.webp", "test", int(y), f"c{y}", f"val/c{y}/{n}", "", "", n % 2)
        for n, y in enumerate(labels)
    ]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_scores_are_scikit_learns(activation: str) -> None:
    p, labels = guesses(200)
    distribution = normalised(p, activation)
    np.testing.assert_allclose(distribution.sum(axis=1), 1)
    said = outcome(distribution, labels)
    assert said.right.mean() == accuracy_score(labels, p.argmax(axis=1))
    expected = log_loss(labels, distribution, labels=range(CLASSES))
    assert said.loss.mean() == pytest.approx(expected)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_loss_is_what_keras_trains_on(activation: str) -> None:
    from tench.runtime import keras

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, CLASSES, 120)
    rows = rng.normal(0, 1, (120, 16)) + 1.5 * np.eye(16)[labels]
    model: Any = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(CLASSES, activation=activation)]
    )
    model.compile(
        keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    for epochs in (0, 10):  # at first, and when it has learned
        model.fit(rows, labels, batch_size=120, epochs=epochs, verbose=0)
        expected = model.evaluate(rows, labels, verbose=0, return_dict=True)
        p = model.predict(rows, verbose=0)
        said = outcome(normalised(p, activation), labels)
        assert said.loss.mean() == pytest.approx(expected["loss"], abs=1e-4)
        assert said.right.mean() == pytest.approx(expected["accuracy"], abs=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_certain_outputs_have_a_finite_loss(activation: str) -> None:
    p = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    distribution = normalised(p, activation)
    assert np.isfinite(outcome(distribution, np.array([1, 1, 1])).loss).all()
    np.testing.assert_allclose(distribution[1:], 0.25)


def test_order_of_the_classes_is_kept() -> None:
    p, _ = guesses(50)
    for activation in ("sigmoid", "softmax"):
        assert np.array_equal(normalised(p, activation).argsort(axis=1), p.argsort(axis=1))


FIGURES = {f"{name}{end}" for name in ("accuracy", "loss") for end in ("", "_interval")}
FIGURES |= {"pictures"}


def test_seen_and_unseen_pictures_are_scored_apart() -> None:
    p, labels = guesses(100)
    distribution = normalised(p, "softmax")
    seen = np.arange(100) < 70
    result: dict[str, Any] = score(outcome(distribution, labels), labels, seen, 1)
    assert set(result) == FIGURES | {"calibration_error", "seen", "unseen"}
    for part, group in (("seen", seen), ("unseen", ~seen)):
        assert set(result[part]) == FIGURES
        assert result[part]["accuracy"] == accuracy_score(labels[group], p[group].argmax(axis=1))
        expected = log_loss(labels[group], distribution[group], labels=range(4))
        assert result[part]["loss"] == pytest.approx(expected)
        assert result[part]["pictures"] == group.sum()
        for name in ("accuracy", "loss"):
            low, high = result[part][f"{name}_interval"]
            assert low < result[part][name] < high
    assert result["pictures"] == 100
    both = 0.7 * result["seen"]["accuracy"] + 0.3 * result["unseen"]["accuracy"]
    assert result["accuracy"] == pytest.approx(both)


@pytest.mark.parametrize(("seen", "group"), [(True, "seen"), (False, "unseen")])
def test_no_group_without_pictures(seen: bool, group: str) -> None:
    p, labels = guesses(20)
    result = score(outcome(normalised(p, "softmax"), labels), labels, np.full(20, seen), 1)
    assert set(result) == FIGURES | {"calibration_error", group}


def test_disagreement_of_the_two_ways_is_an_error() -> None:
    p, labels = guesses(10)
    rows = index_rows(labels)
    near = p.copy()
    near[6, 1] += 5e-4
    assert check_agreement(p, near, rows, "frozen") == pytest.approx(5e-4, abs=1e-6)
    for wrong in (p[6, 1] + 2e-3, np.nan):
        near[6, 1] = wrong
        with pytest.raises(TenchError) as caught:
            check_agreement(p, near, rows, "frozen")
        assert rows[6].path in str(caught.value)
        assert "frozen" in str(caught.value)


def two_models(count: int) -> tuple[dict[str, Any], list[Row]]:
    """What two made-up models say of pictures of CLASSES classes."""
    first, labels = guesses(count)
    labels[:CLASSES] = range(CLASSES)
    second = first.copy()
    second[np.arange(count), labels] += 0.3
    outcomes = {
        name: outcome(normalised(p, "softmax"), labels)
        for name, p in (("frozen", first), ("finetuned", second))
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
        assert (row["precision"], row["recall"], row["pictures"]) == pytest.approx(
            (expected["precision"], expected["recall"], expected["support"])
        )
    metrics: dict[str, Any] = summarise(outcomes, rows, 1)
    assert metrics["macro_f1"] == pytest.approx(f1_score(labels, said.predicted, average="macro"))


def test_scores_can_be_had_again_from_the_predictions() -> None:
    outcomes, rows = two_models(80)
    metrics: dict[str, Any] = summarise(outcomes, rows, 1)
    table = prediction_rows(outcomes, rows)
    for prefix, model in (("frozen_", "frozen"), ("", "finetuned")):
        right = [row["label"] == row[f"{prefix}prediction"] for row in table]
        assert np.mean(right) == metrics[model]["accuracy"]
        of_label = [row[f"{prefix}label_probability"] for row in table]
        assert -np.log(of_label).mean() == pytest.approx(metrics[model]["loss"])
        assert [row[f"{prefix}rank"] == 1 for row in table] == right
        bins = calibration_rows(outcomes[model])
        assert sum(one["pictures"] * one["accuracy"] for one in bins) == pytest.approx(sum(right))
    won = sum(r["prediction"] == r["label"] != r["frozen_prediction"] for r in table)
    assert metrics["mcnemar"]["only_finetuned"] == won > 0


def test_rank_counts_the_classes_before_the_label() -> None:
    said = outcome(np.array([[0.5, 0.2, 0.3], [0.1, 0.2, 0.7]]), np.array([1, 2]))
    assert said.rank.tolist() == [3, 1]


def test_surest_mistakes_come_first() -> None:
    outcomes, _ = two_models(80)
    said = outcomes["frozen"]
    places = worst_mistakes(said, 5)
    assert len(places) == 5
    assert not said.right[places].any()
    assert said.confidence[places[0]] == said.confidence[~said.right].max()
