"""The training loop: every row once an epoch, the same twice, and it learns."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tench.backbone import build_head
from tench.params import ExtractTrain
from tench.runtime import keras
from tench.shards import new_shard, open_shards
from tench.training import Epochs, Examples, batches, fit, reseed_dropout, shuffled

CLASSES = 3


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVCLive looks for a repository around the current directory."""
    monkeypatch.chdir(tmp_path)


def examples(count: int, name: str, seed: int = 0) -> Examples:
    """Noise around one centre a class, which a head can learn to tell apart."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    centres = np.random.default_rng(99).normal(0, 1, (CLASSES, 1280))
    rows = centres[labels] + rng.normal(0, 0.5, (count, 1280))
    new_shard(Path(name), 0, (count, 1280), np.float32)[:] = rows
    return Examples(open_shards(Path(name)), labels)


def head(activation: str = "sigmoid", dropout: float = 0.2) -> Any:
    """A head of always the same initial weights."""
    keras.utils.set_random_seed(7)
    settings = ExtractTrain(
        dense_units=16,
        dropout=dropout,
        activation=activation,
        learning_rate=1e-3,
        batch_size=8,
        epochs=1,
    )
    return build_head(settings, CLASSES)


def train(
    model: Any, epochs: Epochs, folder: str, seed: int = 42, rate: float = 1e-3, rows: int = 50
) -> None:
    """Fit on `rows` examples and 20 for validation."""
    parts = examples(rows, "train-rows"), examples(20, "val-rows", seed=1)
    fit(model, *parts, epochs, rate, 8, seed, Path(folder), "test")


def logged(folder: str, split: str, metric: str) -> list[tuple[int, float]]:
    """What DVCLive wrote: epoch and value."""
    with Path(folder, "plots/metrics", split, f"{metric}.tsv").open(newline="") as lines:
        return [(int(r["step"]), float(r[metric])) for r in csv.DictReader(lines, delimiter="\t")]


def same_weights(one: Any, other: Any) -> bool:
    """Whether two models have equal weights, bit for bit."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_an_epoch_has_every_row_once() -> None:
    data = examples(50, "rows")
    order = shuffled(50, 42, 1)
    parts = list(batches(data, 8, order))
    assert [len(labels) for _, labels in parts] == [8] * 6 + [2]
    rows = np.load("rows/00000.npy")
    assert np.array_equal(np.concatenate([x for x, _ in parts]), rows[order])
    assert np.array_equal(np.concatenate([y for _, y in parts]), data.labels[order])
    assert sorted(order.tolist()) == list(range(50))


def test_order_follows_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return shuffled(50, seed, epoch).tolist()

    first = order(42, 1)
    np.random.default_rng().random(5)
    keras.utils.set_random_seed(5)
    assert order(42, 1) == first
    others = [order(42, 2), order(43, 1), order(1, 42), list(range(50))]
    assert first not in others
    assert len({tuple(one) for one in others}) == 4


def test_dropout_follows_from_seed_and_epoch_alone() -> None:
    fresh, used = head(), head()
    ones = np.ones((4, 1280), np.float32)

    def dropped(model: Any, seed: int, epoch: int) -> NDArray[np.float32]:
        reseed_dropout(model, seed, epoch)
        return np.asarray(model.get_layer("dropout")(ones, training=True))

    for _ in range(3):
        used(ones, training=True)
    first = dropped(fresh, 42, 1)
    assert 0 < (first == 0).mean() < 0.5
    assert np.array_equal(dropped(used, 42, 1), first)
    assert not np.array_equal(dropped(used, 42, 2), first)
    assert not np.array_equal(dropped(used, 43, 1), first)


def test_training_twice_gives_the_same_weights() -> None:
    one, again, seeded, later = (head() for _ in range(4))
    train(one, Epochs(1, 2), "one")
    train(seeded, Epochs(1, 2), "seeded", seed=43)
    train(later, Epochs(2, 3), "later")
    train(again, Epochs(1, 2), "again")
    assert same_weights(one, again)
    assert logged("one", "train", "loss") == logged("again", "train", "loss")
    assert not same_weights(one, seeded)
    assert not same_weights(one, later)


def test_epochs_are_logged_under_their_numbers() -> None:
    train(head(), Epochs(4, 6), "metrics")
    for split in ("train", "val"):
        for metric in ("loss", "accuracy"):
            steps = [step for step, _ in logged("metrics", split, metric)]
            assert steps == [4, 5, 6]
    summary = json.loads(Path("metrics/metrics.json").read_text())
    assert summary["step"] == 6
    assert summary["val"]["accuracy"] == logged("metrics", "val", "accuracy")[-1][1]
    assert {path.name for path in Path("metrics").iterdir()} == {"metrics.json", "plots"}


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_logged_scores_are_those_of_keras(activation: str) -> None:
    # A step too small to change anything makes the epoch's mean the score of one model
    model = head(activation, dropout=0)
    train(model, Epochs(1, 1), "metrics", rate=1e-12)
    for split in ("train", "val"):
        rows = np.load(f"{split}-rows/00000.npy")
        labels = np.arange(len(rows)) % CLASSES
        expected = model.evaluate(rows, labels, verbose=0, return_dict=True)
        assert 0 < expected["accuracy"] < 1
        for metric in ("loss", "accuracy"):
            assert logged("metrics", split, metric)[0][1] == pytest.approx(
                expected[metric], abs=1e-4
            )


def test_it_learns_what_can_be_learned() -> None:
    train(head(), Epochs(1, 3), "metrics", rows=300)
    assert [step for step, _ in logged("metrics", "train", "loss")] == [1, 2, 3]
    losses = [value for _, value in logged("metrics", "train", "loss")]
    assert logged("metrics", "val", "accuracy")[-1][1] >= 0.95
    assert losses[0] > losses[1] > losses[2]
