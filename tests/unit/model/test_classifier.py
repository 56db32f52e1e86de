"""The saved classifier: its predictions, its bytes, and agreement with the trained model."""

import errno
import io
import os
import resource
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from small_images import read_prepared_unchecked, write_prepared_image
from small_networks import head_params, set_random_weights

from tench.core.errors import TenchError
from tench.core.paths import PREPARED
from tench.data.decode.resize import pixel_digest
from tench.data.index import Row, evenly_spaced
from tench.data.split.eval_subset import CHECK_IMAGES, evenly_spaced_rows
from tench.model.network.batch_predict import check_agreement, predict_activations, predict_images
from tench.model.network.classifier import (
    assemble_classifier,
    build_head,
    connect_top_and_head,
    with_activation,
)
from tench.model.network.frozen_base import build_frozen_base
from tench.model.network.keras_setup import keras
from tench.model.network.save import save_classifier, save_weights
from tench.model.network.trainable_top import build_trainable_top

SIZE, CLASSES, CUT = 32, 10, 4
NOISE = np.random.default_rng(3).integers(0, 128, (70, SIZE, SIZE, 3))
IMAGES = [Image.fromarray((noise + n).astype(np.uint8)) for n, noise in enumerate(NOISE)]
ROWS = [
    Row(f"{number}.zip/a.webp", "val", 0, "fish", "", "", pixel_digest(image), 0, number)
    for number, image in enumerate(IMAGES)
]


def build_small() -> Any:
    """A small backbone with the layer types of MobileNetV2."""
    layers = keras.layers
    start = keras.Input((SIZE, SIZE, 3), name="scaled_image")
    x = layers.Conv2D(24, 3, strides=4, use_bias=False, name="first")(start)
    x = layers.BatchNormalization(name="first_BN")(x)
    x = between = layers.ReLU(6.0, name="first_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="depthwise")(x)
    x = layers.Add(name="add")([x, between])
    x = layers.Conv2D(1280, 1, use_bias=False, name="last")(x)
    x = layers.ReLU(6.0, name="last_relu")(layers.BatchNormalization(name="last_BN")(x))
    return keras.Model(start, x, name="backbone")


@pytest.fixture(scope="module")
def backbone() -> Any:
    """A small backbone with random weights."""
    model = build_small()
    set_random_weights(model, 1)
    return model


@pytest.fixture(scope="module")
def head() -> Any:
    """A head with random weights."""
    model = build_head(head_params(), 1280, CLASSES)
    set_random_weights(model, 2)
    return model


@pytest.fixture(scope="module")
def folder(backbone: Any, head: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared images and a saved classifier."""
    folder = tmp_path_factory.mktemp("project")
    for image, row in zip(IMAGES, ROWS, strict=True):
        write_prepared_image(image, folder / PREPARED / row.path)
    save_classifier(assemble_classifier(backbone, "MobileNetV2", head), folder / "classifier.keras")
    return folder


@pytest.fixture(autouse=True)
def _in_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages run in the project's root."""
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def saved(folder: Path) -> Any:
    """The classifier, loaded by Keras alone: Tench cannot be imported."""
    assert keras.saving.get_custom_objects() == {}
    with pytest.MonkeyPatch.context() as patch:
        for name in list(sys.modules):
            if name.partition(".")[0] == "tench":
                patch.setitem(sys.modules, name, None)
        return keras.models.load_model(folder / "classifier.keras")


def read_all(rows: list[Row] = ROWS) -> NDArray[np.float32]:
    """Prepared images, float32 in [0, 255]."""
    return np.stack([read_prepared_unchecked(PREPARED / row.path) for row in rows]).astype(
        np.float32
    )


def logits(backbone: Any, head: Any) -> NDArray[np.float64]:
    """The logits of all images, scaled as MobileNetV2 was trained."""
    features = backbone(read_all() / 127.5 - 1, training=False).numpy()
    return np.asarray(head(features.mean(axis=(1, 2)), training=False), np.float64)


def softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The textbook formula."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_saved_classifier_predicts_the_softmax_of_the_logits(
    backbone: Any, head: Any, saved: Any
) -> None:
    probabilities = saved.predict_on_batch(read_all())
    assert np.ptp(probabilities, axis=0).max() > 0.01
    np.testing.assert_allclose(probabilities, softmax(logits(backbone, head)), atol=1e-5)
    np.testing.assert_allclose(probabilities.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_sum_to_one_whatever_the_head_was_trained_with(
    backbone: Any, activation: str
) -> None:
    head = build_head(head_params(activation, dropout=0), 1280, CLASSES)
    set_random_weights(head, 4)
    trained = with_activation(head, activation)
    trained.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True)
    rows = np.random.default_rng(5).uniform(0, 1, (8, 1280)).astype(np.float32)
    before = logits(backbone, head)
    trained.train_on_batch(rows, np.arange(8))
    after = logits(backbone, head)
    assert np.abs(after - before).max() > 0.01
    classifier = assemble_classifier(backbone, "MobileNetV2", head)
    probabilities = np.asarray(classifier(read_all(), training=False), np.float64)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(probabilities, softmax(after), atol=1e-5)

    formula = softmax if activation == "softmax" else lambda values: 1 / (1 + np.exp(-values))
    output = np.asarray(trained(rows, training=False), np.float64)
    np.testing.assert_allclose(output, formula(np.asarray(head(rows), np.float64)), atol=1e-6)


def test_small_probabilities_are_not_clipped(backbone: Any) -> None:
    head = build_head(head_params(), 1280, 2)
    for weight in head.weights:
        weight.assign(np.zeros(weight.shape))
    head.layers[-1].bias.assign([40, 0])
    classifier = assemble_classifier(backbone, "MobileNetV2", head)
    output = np.asarray(classifier(read_all(ROWS[:1]), training=False), np.float64)
    assert 0 < output[0, 1] < 1e-15
    np.testing.assert_allclose(output[0, 1], np.exp(-40), rtol=1e-4)
    for rows in (ROWS[:1], ROWS[:3]):  # nor in batched prediction
        (predicted,) = predict_images(
            rows, lambda batch: [np.tile(output, (len(batch), 1))], "test"
        )
        assert np.array_equal(predicted, np.tile(output, (len(rows), 1)))


def test_equal_weights_are_saved_as_equal_bytes(
    backbone: Any, head: Any, folder: Path, tmp_path: Path
) -> None:
    first, second = folder / "classifier.keras", tmp_path / "second" / "classifier.keras"
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")  # a new object, at another address
    assert keras.config.dtype_policy() is not policy
    clone = assemble_classifier(
        build_small(), "MobileNetV2", build_head(head_params(), 1280, CLASSES)
    )
    clone.set_weights(assemble_classifier(backbone, "MobileNetV2", head).get_weights())
    save_classifier(clone, second)
    assert second.read_bytes() == first.read_bytes()
    clone.get_layer("logits").bias.assign_add(np.full(CLASSES, 1e-3))
    save_classifier(clone, second)
    assert second.read_bytes() != first.read_bytes()
    assert [file.name for file in second.parent.iterdir()] == ["classifier.keras"]


def predict_before_saving(backbone: Any, head: Any) -> NDArray[np.float32]:
    """The predictions that finetune writes before it saves: frozen base, then top and head."""
    model = with_activation(connect_top_and_head(build_trainable_top(backbone, CUT, CUT), head))
    base = build_frozen_base(backbone, "MobileNetV2", CUT)
    activations = np.asarray(keras.tree.flatten(base(read_all(), training=False))[0])
    rows = evenly_spaced(len(ROWS), CHECK_IMAGES)
    return predict_activations(activations.__getitem__, rows, model)


def predict_after_saving(file: Path) -> NDArray[np.float32]:
    """The predictions of the saved classifier, as evaluate compares them."""
    classifier = keras.models.load_model(file, compile=False)
    rows = evenly_spaced_rows(ROWS, CHECK_IMAGES)
    (predicted,) = predict_images(rows, lambda batch: [classifier.predict_on_batch(batch)], "check")
    return predicted


def copy_with_swapped_rows(file: Path, weight: str) -> Path:
    """A copy of the saved classifier with two rows of a weight swapped."""
    with zipfile.ZipFile("classifier.keras") as source, zipfile.ZipFile(file, "w") as target:
        for name in source.namelist():
            content = io.BytesIO(source.read(name))
            if name == "model.weights.h5":
                with h5py.File(content, "r+") as weights:
                    rows = weights["layers"][weight]
                    rows[...] = rows[...][[1, 0, *range(2, len(rows))]]
            target.writestr(name, content.getvalue())
    return file


def test_saved_classifier_agrees_with_the_trained_model(
    backbone: Any, head: Any, folder: Path
) -> None:
    before, after = (
        predict_before_saving(backbone, head),
        predict_after_saving(folder / "classifier.keras"),
    )
    assert before.shape == (len(ROWS), CLASSES)
    assert np.ptp(before, axis=0).max() > 0.01
    assert check_agreement(before, after, ROWS, "before and after") < 1e-5


@pytest.mark.parametrize(
    "weight",
    ["dense_1/vars/0", "dense_1/vars/1", "dense/vars/0", "functional/layers/conv2d/vars/0"],
)
def test_a_saved_classifier_with_other_weights_is_rejected(
    backbone: Any, head: Any, tmp_path: Path, weight: str
) -> None:
    before = predict_before_saving(backbone, head)
    after = predict_after_saving(copy_with_swapped_rows(tmp_path / "classifier.keras", weight))
    with pytest.raises(TenchError) as caught:
        check_agreement(before, after, ROWS, "before and after")
    row = ROWS[int(np.abs(before - after).max(axis=1).argmax())]
    assert str(caught.value).startswith(f"{PREPARED / row.path}: before and after disagree by ")
    assert "dvc repro --force finetune" in str(caught.value)


def test_nan_agrees_with_nothing() -> None:
    first = np.full((3, 2), 0.5, np.float32)
    assert check_agreement(first, first, ROWS[:3], "both") == 0
    for wrong in (np.nan, 0.502):
        second = first.copy()
        second[1, 0] = wrong
        for pair in ((first, second), (second, first)):
            with pytest.raises(TenchError, match=r"prepared/1\.zip/a\.webp: both disagree"):
                check_agreement(*pair, ROWS[:3], "both")


def test_predictions_are_in_the_order_of_the_images(folder: Path) -> None:
    def predict(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        sizes.append(len(batch))
        means = batch.mean(axis=(1, 2))
        return [means, -means[:, :1]]

    sizes: list[int] = []
    means, negative = predict_images(ROWS, predict, "test")
    assert len(sizes) > 1
    assert len(set(sizes)) == 1  # so that TensorFlow traces once
    np.testing.assert_array_equal(means, read_all().mean(axis=(1, 2)))
    np.testing.assert_array_equal(negative, -means[:, :1])


def test_weights_are_saved_as_keras_loads_them(head: Any, tmp_path: Path) -> None:
    save_weights(head, tmp_path / "new" / "head.weights.h5")
    loaded = build_head(head_params(), 1280, CLASSES)
    loaded.load_weights(tmp_path / "new" / "head.weights.h5")
    for expected, actual in zip(head.get_weights(), loaded.get_weights(), strict=True):
        assert np.array_equal(expected, actual)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["head.weights.h5"]


def test_a_full_disk_raises_before_hdf5_writes(head: Any, tmp_path: Path) -> None:
    # HDF5 would kill the process.
    _, hard_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard_limit))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EFBIG)) as caught:
            save_weights(head, tmp_path / "head.weights.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard_limit, hard_limit))
    assert "write failed" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
