"""Whether fine-tuning is kept: for what validation clearly says, not for luck."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tench.model.network.classifier import with_activation
from tench.model.network.keras_setup import keras
from tench.model.train import loop
from tench.model.train.acceptance import fit_if_better, is_significantly_better
from tench.model.train.loop import Examples
from tench.model.train.training_config import TrainingConfig


@pytest.mark.parametrize(
    ("lost", "won", "better"),
    [(0, 2, False), (0, 3, True), (10, 10, False), (10, 17, False), (10, 19, True)],
)
def test_luck_is_not_taken_for_progress(lost: int, won: int, better: bool) -> None:
    before = np.array([True] * lost + [False] * won + [True] * 50 + [False] * 50)
    after = np.array([False] * lost + [True] * won + [True] * 50 + [False] * 50)
    assert is_significantly_better(before, after, np.zeros(len(before), np.int32)) == better


def test_a_rare_class_counts_more_where_classes_are_balanced() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    before = np.array([True] * 90 + [False] * 10)
    after = np.array([False] * 12 + [True] * 78 + [True] * 8 + [False] * 2)  # of 0 fewer, of 1 more
    assert not is_significantly_better(before, after, labels)
    assert is_significantly_better(before, after, labels, balanced=True)


def unequal(count: int, seed: int) -> Examples:
    """Two classes, nine rows to one, that overlap. The counts fill no whole number of batches."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10 == 0).astype(np.int32)
    rows = np.stack([labels + rng.normal(0, 0.6, count), np.ones(count)], axis=1)
    return Examples(rows.astype(np.float32).__getitem__, labels)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_epoch_is_chosen_by_the_accuracy_that_it_is_accepted_by(
    balanced: bool, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head that begins with the common class alone, and in balanced training finds the rare one:
    accuracy falls while balanced accuracy rises."""
    monkeypatch.chdir(tmp_path)
    train, val = unequal(205, seed), unequal(127, seed + 10)
    logits = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    logits.set_weights([np.zeros((2, 2)), np.array([1.0, 0.0])])
    correct: dict[int, Any] = {}  # of every epoch

    def keep(model: Any, best: Any, epoch: Any, work: Path) -> None:
        said = np.asarray(with_activation(logits)(val.read(np.arange(127))))
        correct[epoch.number] = said.argmax(axis=1) == val.labels
        keep_epoch(model, best, epoch, work)

    keep_epoch = loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", keep)
    how = TrainingConfig(1, 8, 2e-2, 16, seed, balanced=balanced, patience=8)
    chosen = fit_if_better(logits, "softmax", train, val, how, Path("log"), Path("work"), "test")

    def recall(right: Any) -> float:
        return float(np.mean([right[val.labels == label].mean() for label in (0, 1)]))

    plain = {epoch: float(right.mean()) for epoch, right in correct.items()}
    of_classes = {epoch: recall(right) for epoch, right in correct.items()}
    by = of_classes if balanced else plain
    if balanced:
        assert of_classes[max(plain, key=plain.__getitem__)] < max(of_classes.values())
        assert chosen > 0
        logged = json.loads(Path("log/metrics.json").read_text())["val"]
        assert logged["balanced_accuracy"] == pytest.approx(of_classes[8], abs=1e-6)
    assert chosen == 0 or by[chosen] == pytest.approx(max(by.values()), abs=1e-9)
