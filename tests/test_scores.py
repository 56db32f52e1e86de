"""Scores: as scikit-learn and Keras have them, for seen and unseen pictures apart."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, log_loss

from stages.evaluate import check_agreement, write_confusion
from tench.cli import TenchError
from tench.index import Row
from tench.scores import accuracy, loss, normalised, score

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
        Row(f"test/c{y}/{n}.webp", "test", int(y), f"c{y}", f"val/c{y}/{n}", "", n % 2)
        for n, y in enumerate(labels)
    ]


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_scores_are_scikit_learns(activation: str) -> None:
    p, labels = guesses(200)
    distribution = normalised(p, activation)
    np.testing.assert_allclose(distribution.sum(axis=1), 1)
    assert accuracy(distribution, labels) == accuracy_score(labels, p.argmax(axis=1))
    expected = log_loss(labels, distribution, labels=range(CLASSES))
    assert loss(distribution, labels) == pytest.approx(expected)


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
        assert loss(normalised(p, activation), labels) == pytest.approx(expected["loss"], abs=1e-4)
        assert accuracy(p, labels) == pytest.approx(expected["accuracy"], abs=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_certain_outputs_have_a_finite_loss(activation: str) -> None:
    p = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], np.float32)
    distribution = normalised(p, activation)
    assert np.isfinite(loss(distribution, np.array([1, 1, 1])))
    np.testing.assert_allclose(distribution[1:], 0.25)


def test_order_of_the_classes_is_kept() -> None:
    p, _ = guesses(50)
    for activation in ("sigmoid", "softmax"):
        assert np.array_equal(normalised(p, activation).argsort(axis=1), p.argsort(axis=1))


def test_seen_and_unseen_pictures_are_scored_apart() -> None:
    p, labels = guesses(100)
    distribution = normalised(p, "softmax")
    seen = np.arange(100) < 70
    result: dict[str, Any] = score(distribution, labels, seen)
    assert set(result) == {"accuracy", "loss", "pictures", "seen", "unseen"}
    for part, group in (("seen", seen), ("unseen", ~seen)):
        assert result[part] == {
            "accuracy": accuracy_score(labels[group], p[group].argmax(axis=1)),
            "loss": pytest.approx(log_loss(labels[group], distribution[group], labels=range(4))),
            "pictures": group.sum(),
        }
    assert result["pictures"] == 100
    both = 0.7 * result["seen"]["accuracy"] + 0.3 * result["unseen"]["accuracy"]
    assert result["accuracy"] == pytest.approx(both)


@pytest.mark.parametrize(("seen", "group"), [(True, "seen"), (False, "unseen")])
def test_no_group_without_pictures(seen: bool, group: str) -> None:
    p, labels = guesses(20)
    result = score(normalised(p, "softmax"), labels, np.full(20, seen))
    assert set(result) == {"accuracy", "loss", "pictures", group}


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


def test_confusion_names_every_picture(tmp_path: Path) -> None:
    p, labels = guesses(12)
    labels[:CLASSES] = range(CLASSES)
    write_confusion(index_rows(labels), p, tmp_path / "confusion.csv")
    lines = (tmp_path / "confusion.csv").read_text().splitlines()
    pairs = zip(labels, p.argmax(axis=1), strict=True)
    assert lines == ["actual,predicted", *(f"c{a},c{b}" for a, b in pairs)]
