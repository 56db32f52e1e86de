"""The training loop: every row once an epoch, seeded by epoch, and it learns."""

import csv
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from feature_shards import make_row, write_features
from numpy.typing import NDArray

from tench.core.params import ExtractTrain
from tench.data.store.shards import read_rows
from tench.model.network.classifier import build_head, with_activation
from tench.model.network.keras_setup import keras, tf
from tench.model.train import loop
from tench.model.train.loop import (
    Examples,
    iterate_batches,
    reseed_dropout,
    shuffled_order,
    train_model,
)
from tench.model.train.training_config import TrainingConfig

CLASSES = 3


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVCLive looks for a repository around the current directory."""
    monkeypatch.chdir(tmp_path)


def examples(count: int, name: str, seed: int = 0) -> Examples:
    """Noise around one center a class, which a head can learn to tell apart."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    centers = np.random.default_rng(99).normal(0, 1, (CLASSES, 1280))
    features = centers[labels] + rng.normal(0, 0.5, (count, 1280))
    rows = [make_row(number, name, label=int(label)) for number, label in enumerate(labels)]
    shards = write_features(Path(name), features.astype(np.float32), rows)
    return Examples(partial(read_rows, shards), labels)


def head(dropout: float = 0.2) -> Any:
    """A head of always the same initial weights, with the paper's output."""
    keras.utils.set_random_seed(7)
    settings = ExtractTrain(
        dense_units=16,
        dropout=dropout,
        activation="sigmoid",
        learning_rate=1e-3,
        batch_size=8,
        epochs=1,
        min_steps_per_epoch=1,
        patience=0,
        solver="adam",
    )
    return with_activation(build_head(settings, 1280, CLASSES), settings.activation)


def logged(folder: Path, split: str, metric: str) -> list[tuple[int, float]]:
    """What DVCLive wrote: epoch and value."""
    with (folder / "plots/metrics" / split / f"{metric}.tsv").open(newline="") as lines:
        return [(int(r["step"]), float(r[metric])) for r in csv.DictReader(lines, delimiter="\t")]


def score(model: Any, name: str) -> dict[str, float]:
    """What Keras says of a model on all examples of a name at once."""
    rows = np.load(f"{name}/00000.npy")
    labels = np.arange(len(rows)) % CLASSES
    said = model(rows, training=False)
    losses = keras.losses.sparse_categorical_crossentropy(labels, said)
    return {
        "loss": float(np.mean(losses)),
        "accuracy": float((np.argmax(said, axis=1) == labels).mean()),
    }


def same_weights(one: Any, other: Any) -> bool:
    """Whether two models have equal weights, bit for bit."""
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_an_epoch_has_every_row_once() -> None:
    data = examples(50, "rows")
    order = shuffled_order(50, 42, 1)
    parts = list(iterate_batches(data, 8, order))
    assert {len(one) for part in parts for one in part} == {8}  # whatever is traced, is so once
    rows, labels, weights = (np.concatenate(one) for one in zip(*parts, strict=True))
    assert np.array_equal(rows[:50], np.load("rows/00000.npy")[order])
    assert np.array_equal(labels[:50], data.labels[order])
    assert weights.tolist() == [1] * 48 + [4, 4] + [0] * 6
    assert sorted(order.tolist()) == list(range(50))


def test_order_follows_from_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return shuffled_order(50, seed, epoch).tolist()

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


class Trained(NamedTuple):
    """A head after three epochs in order."""

    model: Any
    folder: Path  # what DVCLive wrote
    order: list[int]  # of the rows it learned from
    dropout: list[tuple[int, int]]  # seed and epoch that dropout was seeded with


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """Two heads trained from the same start."""
    folder = tmp_path_factory.mktemp("trained")
    result = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        parts = examples(150, "train-rows"), examples(20, "val-rows", seed=1)
        for name, epochs, seed in (("one", (1, 3), 42), ("other", (4, 6), 43)):
            one = result[name] = Trained(head(), folder / name, [], [])

            def read(rows: NDArray[np.int64], one: Trained = one) -> NDArray[Any]:
                one.order.extend(rows.tolist())
                return parts[0].read(rows)

            def reseed(model: Any, seed: int, epoch: int, one: Trained = one) -> None:
                one.dropout.append((seed, epoch))
                reseed_dropout(model, seed, epoch)

            patch.setattr(loop, "reseed_dropout", reseed)
            watched = parts[0]._replace(read=read)
            how = TrainingConfig(*epochs, 1e-3, 8, seed)
            train_model(one.model, watched, parts[1], how, Path(name), Path(f"{name}.work"), "test")
    return result


def test_seed_and_epoch_make_a_difference(trained: dict[str, Trained]) -> None:
    for name, seed, epochs in (("one", 42, (1, 2, 3)), ("other", 43, (4, 5, 6))):
        order = np.concatenate([shuffled_order(150, seed, epoch) for epoch in epochs])
        assert trained[name].order == order.tolist()
        assert trained[name].dropout == [(seed, epoch) for epoch in epochs]
    assert not same_weights(trained["one"].model, trained["other"].model)


@pytest.mark.parametrize(("name", "epochs"), [("one", [1, 2, 3]), ("other", [4, 5, 6])])
def test_epochs_are_logged_under_their_numbers(
    trained: dict[str, Trained], name: str, epochs: list[int]
) -> None:
    folder = trained[name].folder
    for split in ("train", "val"):
        for metric in ("loss", "accuracy"):
            assert [step for step, _ in logged(folder, split, metric)] == epochs
    summary = json.loads((folder / "metrics.json").read_text())
    assert summary["step"] == epochs[-1]
    assert summary["val"]["accuracy"] == logged(folder, "val", "accuracy")[-1][1]
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "plots"}


def test_it_learns_what_can_be_learned(trained: dict[str, Trained]) -> None:
    losses = [value for _, value in logged(trained["one"].folder, "train", "loss")]
    assert losses[0] > losses[1] > losses[2]
    assert logged(trained["one"].folder, "val", "accuracy")[-1][1] >= 0.95


@pytest.fixture
def _eagerly() -> Iterator[None]:
    """Run Keras's steps one by one: for so few, tracing them takes longer."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_eagerly")
def test_an_epoch_can_end_with_the_mean_of_its_steps_weights() -> None:
    parts = examples(50, "train-rows"), examples(20, "val-rows", seed=1)
    averaged, plain = head(dropout=0), head(dropout=0)
    how = TrainingConfig(1, 1, 1e-2, 8, 42, ema=True)
    train_model(averaged, *parts, how, Path("averaged"), Path("work"), "test")

    plain.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", run_eagerly=True)
    seen = []
    order = shuffled_order(50, 42, 1)
    for places in np.split(order, range(8, 50, 8)):
        plain.train_on_batch(parts[0].read(places), parts[0].labels[places])
        seen.append(plain.get_weights())
    mean = seen[0]
    for weights in seen[1:]:  # seven steps: pandas calls it ewm(span=7)
        mean = [m + (w - m) * 2 / 8 for m, w in zip(mean, weights, strict=True)]

    assert not same_weights(averaged, plain)
    for found, expected in zip(averaged.get_weights(), mean, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    # validated is what the epoch ends with
    loss = score(averaged, "val-rows")["loss"]
    assert logged(Path("averaged"), "val", "loss")[0][1] == pytest.approx(loss, abs=1e-4)


@pytest.mark.usefixtures("_eagerly")
def test_logged_scores_are_those_of_keras() -> None:
    # A step too small to change anything makes the epoch's mean the score of one model
    model = head(dropout=0)
    parts = examples(50, "train-rows"), examples(20, "val-rows", seed=1)
    train_model(
        model, *parts, TrainingConfig(1, 1, 1e-12, 8, 42), Path("metrics"), Path("work"), "test"
    )
    for split in ("train", "val"):
        expected = score(model, f"{split}-rows")
        assert 0 < expected["accuracy"] < 1
        for metric in ("loss", "accuracy"):
            found = logged(Path("metrics"), split, metric)[0][1]
            assert found == pytest.approx(expected[metric], abs=1e-4)


def test_an_epoch_of_few_examples_goes_over_them_again() -> None:
    how = TrainingConfig(1, 1, 1e-3, 8, 42, min_steps_per_epoch=10)
    order = loop.epoch_order(20, how, 1)  # three steps a pass
    passes = order.reshape(4, 20)
    assert passes[0].tolist() == shuffled_order(20, 42, 1).tolist()
    assert all(sorted(one.tolist()) == list(range(20)) for one in passes)
    assert len({tuple(one) for one in passes.tolist()}) == 4
    assert np.array_equal(order, loop.epoch_order(20, how, 1))
    assert len(loop.epoch_order(100, how, 1)) == 100  # has more steps anyway


@pytest.mark.usefixtures("_eagerly")
def test_training_stops_by_itself_and_keeps_the_best_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With what validation says of six epochs: the accuracy last rises in the second, the loss is
    best in the third, and by the fourth patience is at its end."""
    said = [(0.5, 1.0), (0.6, 1.0), (0.6, 0.9), (0.6, 0.95), (0.5, 0.5), (0.9, 0.1)]
    model, after = head(dropout=0), []
    parts = examples(24, "train-rows"), examples(8, "val-rows", seed=1)

    def run(step: Any, batches: Any, bar: Any = None) -> dict[str, float]:
        found = actual(step, batches, bar)
        if bar is None:  # validation
            after.append(model.get_weights())
            accuracy, loss = said[len(after) - 1]
            return {"accuracy": accuracy, "loss": loss}
        return found

    actual = loop.run_steps
    monkeypatch.setattr(loop, "run_steps", run)
    how = TrainingConfig(1, 6, 1e-3, 8, 42, patience=2)
    assert train_model(model, *parts, how, Path("stopped"), Path("work"), "test") == 3
    assert [epoch for epoch, _ in logged(Path("stopped"), "val", "loss")] == [1, 2, 3, 4]
    kept = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(kept, after[2], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(kept, after[3], strict=True))


@pytest.mark.usefixtures("_eagerly")
def test_balanced_training_weighs_the_rare_class() -> None:
    def rare_gain(balanced: bool) -> float:
        """How much more probable a step makes the rarest class."""
        rng = np.random.default_rng(0)
        labels = np.array([0] * 30 + [1] * 15 + [2] * 3, np.int32)
        rows = rng.normal(0, 1, (48, 1280)).astype(np.float32)
        model = head(dropout=0)
        before = model.predict_on_batch(rows)[:, 2].mean()
        data = Examples(rows.__getitem__, labels)
        how = TrainingConfig(1, 1, 1e-4, 48, 42, balanced=balanced)
        train_model(model, data, data, how, Path("balanced"), Path(f"{balanced}.work"), "test")
        return float(model.predict_on_batch(rows)[:, 2].mean() - before)

    assert rare_gain(balanced=True) > rare_gain(balanced=False)
