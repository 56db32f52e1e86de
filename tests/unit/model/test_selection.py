"""Fine-tuning is kept only if it is significantly better on validation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tench.model.network.classifier import with_activation
from tench.model.network.keras_setup import keras
from tench.model.selection import is_significantly_better
from tench.model.train import loop
from tench.model.train.acceptance import fit_if_better
from tench.model.train.loop import Examples
from tench.model.train.training_config import TrainingConfig


@pytest.mark.parametrize(
    ("lost", "won", "better"),
    [(0, 2, False), (0, 3, True), (10, 10, False), (10, 17, False), (10, 19, True)],
)
def test_a_difference_by_chance_is_not_significant(lost: int, won: int, better: bool) -> None:
    before = np.array([True] * lost + [False] * won + [True] * 50 + [False] * 50)
    after = np.array([False] * lost + [True] * won + [True] * 50 + [False] * 50)
    assert is_significantly_better(before, after, np.zeros(len(before), np.int32)) == better


def test_a_rare_class_counts_more_with_balanced_weights() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    before = np.array([True] * 90 + [False] * 10)
    after = np.array(
        [False] * 12 + [True] * 78 + [True] * 8 + [False] * 2
    )  # class 0 loses 12, class 1 gains 8
    assert not is_significantly_better(before, after, labels)
    assert is_significantly_better(before, after, labels, balanced=True)


def unbalanced_examples(count: int, seed: int) -> Examples:
    """Two overlapping classes, nine to one. The last batch is not full."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10 == 0).astype(np.int32)
    rows = np.stack([labels + rng.normal(0, 0.6, count), np.ones(count)], axis=1)
    return Examples(rows.astype(np.float32).__getitem__, labels)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_best_epoch_is_chosen_by_the_metric_of_the_acceptance_test(
    balanced: bool, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head first predicts the common class only. Balanced training finds the rare one:
    accuracy falls while balanced accuracy rises."""
    monkeypatch.chdir(tmp_path)
    train, val = unbalanced_examples(205, seed), unbalanced_examples(127, seed + 10)
    logits = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    logits.set_weights([np.zeros((2, 2)), np.array([1.0, 0.0])])
    correct: dict[int, Any] = {}  # by epoch

    def record(model: Any, best: Any, epoch: Any, work: Path) -> None:
        probabilities = np.asarray(with_activation(logits)(val.read(np.arange(127))))
        correct[epoch.number] = probabilities.argmax(axis=1) == val.labels
        save_checkpoint(model, best, epoch, work)

    save_checkpoint = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", record)
    config = TrainingConfig(1, 8, 2e-2, 16, seed, balanced=balanced, patience=8)
    chosen = fit_if_better(logits, "softmax", train, val, config, Path("log"), Path("work"), "test")

    def mean_recall(correct: Any) -> float:
        return float(np.mean([correct[val.labels == label].mean() for label in (0, 1)]))

    accuracy = {epoch: float(hits.mean()) for epoch, hits in correct.items()}
    recall = {epoch: mean_recall(hits) for epoch, hits in correct.items()}
    metric = recall if balanced else accuracy
    if balanced:
        assert recall[max(accuracy, key=accuracy.__getitem__)] < max(recall.values())
        assert chosen > 0
        logged = json.loads(Path("log/metrics.json").read_text())["val"]
        assert logged["balanced_accuracy"] == pytest.approx(recall[8], abs=1e-6)
    assert chosen == 0 or metric[chosen] == pytest.approx(max(metric.values()), abs=1e-9)
