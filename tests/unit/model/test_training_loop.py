"""The training loop: every row once per epoch, seeded by epoch, and it learns."""

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
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a separate folder: DVCLive looks for a repository around it."""
    monkeypatch.chdir(tmp_path)


def examples(count: int, name: str, seed: int = 0) -> Examples:
    """Noise around one center per class, which a head can learn."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % CLASSES).astype(np.int32)
    centers = np.random.default_rng(99).normal(0, 1, (CLASSES, 1280))
    features = centers[labels] + rng.normal(0, 0.5, (count, 1280))
    rows = [make_row(number, name, label=int(label)) for number, label in enumerate(labels)]
    shards = write_features(Path(name), features.astype(np.float32), rows)
    return Examples(partial(read_rows, shards), labels)


def head(dropout: float = 0.2) -> Any:
    """A head with the same initial weights every time, and the paper's activation."""
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
    """The values that DVCLive logged: (epoch, value)."""
    with (folder / "plots/metrics" / split / f"{metric}.tsv").open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return [(int(row["step"]), float(row[metric])) for row in rows]


def score(model: Any, name: str) -> dict[str, float]:
    """Loss and accuracy of a model by Keras, on all examples of a name at once."""
    rows = np.load(f"{name}/00000.npy")
    labels = np.arange(len(rows)) % CLASSES
    probabilities = model(rows, training=False)
    losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    return {
        "loss": float(np.mean(losses)),
        "accuracy": float((np.argmax(probabilities, axis=1) == labels).mean()),
    }


def same_weights(first: Any, second: Any) -> bool:
    """Whether two models have equal weights, bit for bit."""
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_an_epoch_has_every_row_once() -> None:
    data = examples(50, "rows")
    order = shuffled_order(50, 42, 1)
    batches = list(iterate_batches(data, 8, order))
    assert {len(array) for batch in batches for array in batch} == {8}  # so TensorFlow traces once
    rows, labels, weights = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    assert np.array_equal(rows[:50], np.load("rows/00000.npy")[order])
    assert np.array_equal(labels[:50], data.labels[order])
    assert weights.tolist() == [1] * 48 + [4, 4] + [0] * 6
    assert sorted(order.tolist()) == list(range(50))


def test_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return shuffled_order(50, seed, epoch).tolist()

    first = order(42, 1)
    np.random.default_rng().random(5)
    keras.utils.set_random_seed(5)
    assert order(42, 1) == first
    others = [order(42, 2), order(43, 1), order(1, 42), list(range(50))]
    assert first not in others
    assert len({tuple(other) for other in others}) == 4


def test_dropout_depends_on_seed_and_epoch_alone() -> None:
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
    """A head after three epochs."""

    model: Any
    folder: Path  # of DVCLive
    order: list[int]  # of the training rows
    dropout: list[tuple[int, int]]  # the (seed, epoch) of every call of reseed_dropout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trained]:
    """Two heads trained from the same initial weights."""
    folder = tmp_path_factory.mktemp("trained")
    results = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        parts = examples(150, "train-rows"), examples(20, "val-rows", seed=1)
        for name, epochs, seed in (("first", (1, 3), 42), ("second", (4, 6), 43)):
            head_result = results[name] = Trained(head(), folder / name, [], [])

            def read(rows: NDArray[np.int64], result: Trained = head_result) -> NDArray[Any]:
                result.order.extend(rows.tolist())
                return parts[0].read(rows)

            def reseed(model: Any, seed: int, epoch: int, result: Trained = head_result) -> None:
                result.dropout.append((seed, epoch))
                reseed_dropout(model, seed, epoch)

            patch.setattr(loop, "reseed_dropout", reseed)
            watched = parts[0]._replace(read=read)
            config = TrainingConfig(*epochs, 1e-3, 8, seed)
            folders = Path(name), Path(f"{name}.work")
            train_model(head_result.model, watched, parts[1], config, *folders, "test")
    return results


def test_order_and_dropout_follow_the_seed_and_the_epoch(trained: dict[str, Trained]) -> None:
    for name, seed, epochs in (("first", 42, (1, 2, 3)), ("second", 43, (4, 5, 6))):
        order = np.concatenate([shuffled_order(150, seed, epoch) for epoch in epochs])
        assert trained[name].order == order.tolist()
        assert trained[name].dropout == [(seed, epoch) for epoch in epochs]
    assert not same_weights(trained["first"].model, trained["second"].model)


@pytest.mark.parametrize(("name", "epochs"), [("first", [1, 2, 3]), ("second", [4, 5, 6])])
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


def test_it_learns_separable_classes(trained: dict[str, Trained]) -> None:
    losses = [value for _, value in logged(trained["first"].folder, "train", "loss")]
    assert losses[0] > losses[1] > losses[2]
    assert logged(trained["first"].folder, "val", "accuracy")[-1][1] >= 0.95


@pytest.fixture
def _eagerly() -> Iterator[None]:
    """Run eagerly: tracing takes longer than these few steps."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("_eagerly")
def test_ema_ends_an_epoch_with_the_moving_average_of_its_weights() -> None:
    parts = examples(50, "train-rows"), examples(20, "val-rows", seed=1)
    averaged, plain = head(dropout=0), head(dropout=0)
    config = TrainingConfig(1, 1, 1e-2, 8, 42, ema=True)
    train_model(averaged, *parts, config, Path("averaged"), Path("work"), "test")

    plain.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", run_eagerly=True)
    steps = []
    order = shuffled_order(50, 42, 1)
    for rows in np.split(order, range(8, 50, 8)):
        plain.train_on_batch(parts[0].read(rows), parts[0].labels[rows])
        steps.append(plain.get_weights())
    mean = steps[0]
    for weights in steps[1:]:  # seven steps: ewm(span=7) in pandas
        mean = [m + (w - m) * 2 / 8 for m, w in zip(mean, weights, strict=True)]

    assert not same_weights(averaged, plain)
    for actual, expected in zip(averaged.get_weights(), mean, strict=True):
        np.testing.assert_allclose(actual, expected, atol=1e-5)
    # validation scores the averaged weights
    loss = score(averaged, "val-rows")["loss"]
    assert logged(Path("averaged"), "val", "loss")[0][1] == pytest.approx(loss, abs=1e-4)


@pytest.mark.usefixtures("_eagerly")
def test_logged_scores_equal_keras() -> None:
    # Steps too small to change the weights: the mean of the epoch is the score of one model.
    model = head(dropout=0)
    parts = examples(50, "train-rows"), examples(20, "val-rows", seed=1)
    train_model(
        model, *parts, TrainingConfig(1, 1, 1e-12, 8, 42), Path("metrics"), Path("work"), "test"
    )
    for split in ("train", "val"):
        expected = score(model, f"{split}-rows")
        assert 0 < expected["accuracy"] < 1
        for metric in ("loss", "accuracy"):
            value = logged(Path("metrics"), split, metric)[0][1]
            assert value == pytest.approx(expected[metric], abs=1e-4)


def test_min_steps_per_epoch_repeats_the_examples() -> None:
    config = TrainingConfig(1, 1, 1e-3, 8, 42, min_steps_per_epoch=10)
    order = loop.epoch_order(20, config, 1)  # three steps a pass
    passes = order.reshape(4, 20)
    assert passes[0].tolist() == shuffled_order(20, 42, 1).tolist()
    assert all(sorted(order.tolist()) == list(range(20)) for order in passes)
    assert len({tuple(order) for order in passes.tolist()}) == 4
    assert np.array_equal(order, loop.epoch_order(20, config, 1))
    assert len(loop.epoch_order(100, config, 1)) == 100  # already has more steps


@pytest.mark.usefixtures("_eagerly")
def test_early_stopping_restores_the_best_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The validation accuracy last rises in epoch 2, the loss is lowest in epoch 3, and patience
    ends training after epoch 4."""
    validation = [(0.5, 1.0), (0.6, 1.0), (0.6, 0.9), (0.6, 0.95), (0.5, 0.5), (0.9, 0.1)]
    model, weights = head(dropout=0), []
    parts = examples(24, "train-rows"), examples(8, "val-rows", seed=1)

    def run(step: Any, batches: Any, bar: Any = None) -> dict[str, float]:
        metrics = run_steps(step, batches, bar)
        if bar is None:  # validation
            weights.append(model.get_weights())
            accuracy, loss = validation[len(weights) - 1]
            return {"accuracy": accuracy, "loss": loss}
        return metrics

    run_steps = loop.run_steps
    monkeypatch.setattr(loop, "run_steps", run)
    config = TrainingConfig(1, 6, 1e-3, 8, 42, patience=2)
    assert train_model(model, *parts, config, Path("stopped"), Path("work"), "test") == 3
    assert [epoch for epoch, _ in logged(Path("stopped"), "val", "loss")] == [1, 2, 3, 4]
    final = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(final, weights[2], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(final, weights[3], strict=True))


@pytest.mark.usefixtures("_eagerly")
def test_balanced_training_favors_the_rare_class() -> None:
    def rare_gain(balanced: bool) -> float:
        """The increase of the rarest class's mean probability in one step."""
        rng = np.random.default_rng(0)
        labels = np.array([0] * 30 + [1] * 15 + [2] * 3, np.int32)
        rows = rng.normal(0, 1, (48, 1280)).astype(np.float32)
        model = head(dropout=0)
        before = model.predict_on_batch(rows)[:, 2].mean()
        data = Examples(rows.__getitem__, labels)
        config = TrainingConfig(1, 1, 1e-4, 48, 42, balanced=balanced)
        train_model(model, data, data, config, Path("balanced"), Path(f"{balanced}.work"), "test")
        return float(model.predict_on_batch(rows)[:, 2].mean() - before)

    assert rare_gain(balanced=True) > rare_gain(balanced=False)
