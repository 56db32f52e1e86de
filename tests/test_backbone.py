"""MobileNetV2 and its split: the paper's facts, and that trunk, tail and whole are one model."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tench.core.params import ExtractTrain
from tench.explaining.model_figure import summary_lines, summary_svg
from tench.network import backbone as net
from tench.network.classifier import (
    assemble,
    build_head,
    classifier_parts,
    on_activations,
    split_classifier,
    with_activations,
    with_output,
)
from tench.network.runtime import keras, tf
from tench.network.saving import save_classifier
from tench.network.tail import build_tail, copy_weights, is_pointwise, trainable_tail
from tench.network.trunk import build_trunk, scale_and_offset, scaling, without_batch_norm

SIZE = 64
CUTS = [1, 98, 125, 154]


def settings(activation: str = "sigmoid", dropout: float = 0.2) -> ExtractTrain:
    """The head's parameters."""
    return ExtractTrain(
        dense_units=64,
        dropout=dropout,
        activation=activation,
        learning_rate=1e-4,
        batch_size=32,
        epochs=3,
    )


def random_weights(model: Any, seed: int) -> None:
    """Give every weight, BatchNorm's statistics too, a value that makes a difference."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.normal(0, 1, weight.shape)
        if len(weight.shape) > 1:
            depthwise = weight.shape[-1] == 1
            value *= np.sqrt(2 / np.prod(weight.shape[: -2 if depthwise else -1]))
        elif weight.name in {"gamma", "moving_variance"}:
            value = rng.uniform(0.5, 1.5, weight.shape)
        weight.assign(value * (0.1 if weight.name in {"beta", "moving_mean", "bias"} else 1))


@pytest.fixture(scope="module")
def backbone() -> Any:
    """A backbone with random weights; the tests leave it as it is."""
    model = net.build_backbone(SIZE)
    random_weights(model, 1)
    return model


@pytest.fixture(scope="module")
def classifier(backbone: Any) -> Any:
    """The backbone with a head, assembled."""
    keras.utils.set_random_seed(1)
    return assemble(backbone, build_head(settings(), 10))


@pytest.fixture
def pictures() -> NDArray[np.float32]:
    """Four pictures of noise, each of another brightness, in 0 ... 255."""
    noise = np.random.default_rng(2).uniform(0, 128, (4, SIZE, SIZE, 3))
    return (noise + np.array([0, 30, 60, 120])[:, None, None, None]).astype(np.float32)


def activations_like(backbone: Any, cut: int) -> NDArray[np.float32]:
    """Random activations of the shape that enters layer `cut`."""
    shape = net.entering(backbone, cut).shape[1:]
    return np.random.default_rng(3).normal(0, 1, (4, *shape)).astype(np.float32)


def test_facts_of_the_paper() -> None:
    model = net.build_backbone(160)
    assert len(model.layers) == 154
    assert model.count_params() == 2_257_984
    assert model.output_shape == (None, 5, 5, 1280)
    head = build_head(settings(), 10)
    assert [one.count_params() for one in head.layers if one.weights] == [81_984, 650]
    tail = trainable_tail(model, net.cut_at(model, 125), 130)
    names = {layer.name for layer in model.layers}
    learning = [layer for layer in tail.layers if layer.trainable and layer.name in names]
    assert [layer.name for layer in learning] == [layer.name for layer in model.layers[130:]]
    assert len(learning) == 24


def test_cuts_are_where_one_tensor_crosses(backbone: Any) -> None:
    assert {layer: net.cut_at(backbone, layer) for layer in (0, 1, 125, 130, 134, 154)} == {
        0: 1,
        1: 1,
        125: 125,
        130: 125,
        134: 134,
        154: 154,
    }
    assert net.entering(backbone, 1) is backbone.inputs[0]
    assert net.entering(backbone, 154) is backbone.outputs[0]
    assert net.entering(net.build_backbone(160), 125).shape == (None, 5, 5, 160)


def test_training_cut_is_the_tap_or_an_earlier_cut(backbone: Any) -> None:
    assert [net.training_cut(backbone, layer, 125) for layer in (125, 130, 154)] == [125] * 3
    assert net.training_cut(backbone, 154, 154) == 154
    picture = np.prod(backbone.input_shape[1:])
    for layer in range(125):
        cut = net.training_cut(backbone, layer, 125)
        assert cut <= max(layer, 1)
        assert cut == net.cut_at(backbone, cut)
        assert np.prod(net.entering(backbone, cut).shape[1:]) <= picture
    assert net.training_cut(backbone, 0, 125) == 1


@pytest.mark.parametrize("cut", CUTS)
def test_trunk_then_tail_is_the_backbone(
    backbone: Any, pictures: NDArray[np.float32], cut: int
) -> None:
    features = backbone(scaling()(pictures), training=False).numpy()
    activations, pooled = build_trunk(backbone, cut, pooled=True)(pictures)
    assert pooled.shape == (4, 1280)
    assert np.ptp(pooled, axis=0).max() > 0.1  # or the comparison would say nothing
    # The trunk multiplies by a scale where the backbone takes a deviation: it rounds otherwise.
    near = 1e-4 * np.abs(features).max()
    np.testing.assert_allclose(pooled, features.mean(axis=(1, 2)), atol=near)
    for tail in (build_tail(backbone, cut), trainable_tail(backbone, cut, 130)):
        np.testing.assert_allclose(tail(activations, training=False), features, atol=near)


@pytest.mark.parametrize("cut", [98, 125])
def test_trainable_tail_gives_the_same_numbers(backbone: Any, cut: int) -> None:
    activations = activations_like(backbone, cut)
    plain = build_tail(backbone, cut)(activations, training=False)
    tail = trainable_tail(backbone, cut, 130)
    for training in (False, True):  # BatchNorm stays in inference mode
        np.testing.assert_allclose(tail(activations, training=training), plain, atol=1e-4)


def test_pointwise_convolutions_become_dense_layers(backbone: Any) -> None:
    plain = build_tail(backbone, 125)
    tail = trainable_tail(backbone, 125, 130)
    kinds = [type(layer).__name__ for layer in tail.layers]
    assert kinds.count("Dense") == sum(map(is_pointwise, plain.layers)) == 7
    assert "Conv2D" not in kinds


def test_the_trunk_has_no_square_root_that_a_processor_guesses(backbone: Any) -> None:
    """TensorFlow's is another one on Intel and on AMD, and so would be the folded weights."""
    layers = {type(one).__name__ for one in without_batch_norm(backbone).layers}
    assert "Affine" in layers
    assert "BatchNormalization" not in layers
    norm = backbone.layers[2]
    gamma, beta, mean, variance = norm.get_weights()
    scale, offset = scale_and_offset(norm)
    rows = np.random.default_rng(0).normal(0, 1, (5, len(gamma)))
    expected = (rows - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
    np.testing.assert_allclose(rows * scale + offset, expected, atol=1e-5)


def test_weights_go_into_a_tail_and_back(backbone: Any) -> None:
    tail = trainable_tail(backbone, 125, 130)
    random_weights(tail, 4)
    copy = net.build_backbone(SIZE)
    copy_weights(tail, copy)
    again = trainable_tail(copy, 125, 130)
    assert len(tail.weights) == len(again.weights) > 0
    for one, other in zip(tail.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(one, other)
    before = build_tail(backbone, 125).get_weights()
    after = build_tail(copy, 125).get_weights()
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_step_of_the_trainable_tail_is_one_of_the_plain_tail(
    backbone: Any, activation: str
) -> None:
    rate, start = 0.05, activations_like(backbone, 125)
    labels = np.array([0, 1, 2, 0])
    head = build_head(settings(activation, dropout=0), 3)
    random_weights(head, 5)
    plain = build_tail(backbone, 125)
    before = {layer.name: layer.get_weights() for layer in plain.layers}
    learning = [layer for layer in backbone.layers[130:] if layer.name in before and layer.weights]
    learned = [w for layer in (*learning, *head.layers) for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        pooled = tf.reduce_mean(plain(start, training=False), axis=(1, 2))
        logits = head(pooled)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        slopes = tape.gradient(tf.reduce_mean(losses), learned)
    expected = {
        weight.path: weight.numpy() - rate * slope.numpy()
        for weight, slope in zip(learned, slopes, strict=True)
    }
    assert max(np.abs(rate * slope.numpy()).max() for slope in slopes) > 0.01

    tail = trainable_tail(backbone, 125, 130)
    model = with_output(on_activations(tail, head), activation)
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    model.train_on_batch(start, labels)
    for weight in head.weights:
        np.testing.assert_allclose(weight.numpy(), expected[weight.path], atol=1e-4)
    for layer in tail.layers:
        for place, value in enumerate(layer.get_weights()):
            path = backbone.get_layer(layer.name).weights[place].path
            wanted = expected.get(path, before[layer.name][place]).reshape(value.shape)
            np.testing.assert_allclose(value, wanted, atol=1e-4, err_msg=path)
            if path not in expected:  # frozen layers, and BatchNorm's statistics
                assert np.array_equal(value, wanted), path


def test_scaling_is_inside_the_classifier(
    backbone: Any, classifier: Any, pictures: NDArray[np.float32]
) -> None:
    _, head = classifier_parts(classifier)
    features = backbone(pictures / 127.5 - 1, training=False).numpy().mean(axis=(1, 2))
    expected = keras.ops.softmax(head(features, training=False))
    np.testing.assert_allclose(classifier(pictures, training=False), expected, atol=1e-4)


def test_the_classifier_puts_out_a_distribution_that_is_not_clipped(
    backbone: Any, pictures: NDArray[np.float32]
) -> None:
    head = build_head(settings("sigmoid"), 3)
    random_weights(head, 6)
    head.layers[-1].bias.assign([0.0, 20.0, 60.0])
    said = assemble(backbone, head)(pictures, training=False).numpy()
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-6)
    logits = head(backbone(scaling()(pictures), training=False).numpy().mean(axis=(1, 2))).numpy()
    gap = logits[:, 2].astype(np.float64) - logits[:, 0]
    assert gap.min() > 40
    np.testing.assert_allclose(np.log(said[:, 0]), -gap, atol=1e-3)


@pytest.mark.parametrize("cut", CUTS)
def test_parts_of_the_classifier_are_the_classifier(
    classifier: Any, pictures: NDArray[np.float32], cut: int
) -> None:
    expected = classifier(pictures, training=False)
    activations, probabilities = with_activations(classifier, cut)(pictures, training=False)
    rest = with_output(on_activations(*split_classifier(classifier, cut)))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(rest(activations, training=False), expected, atol=1e-5)


def test_saved_classifier_is_the_same_bytes_from_the_same_weights(
    classifier: Any, tmp_path: Path
) -> None:
    first, again = tmp_path / "classifier.keras", tmp_path / "again" / "classifier.keras"
    again.parent.mkdir()
    save_classifier(classifier, first)
    backbone, head = net.build_backbone(SIZE), build_head(settings(), 10)
    twin = assemble(backbone, head)
    twin.set_weights(classifier.get_weights())
    save_classifier(twin, again)
    assert again.read_bytes() == first.read_bytes()
    twin.get_layer("logits").bias.assign_add(np.full(10, 1e-3))
    save_classifier(twin, again)
    assert again.read_bytes() != first.read_bytes()
    assert {file.name for file in tmp_path.rglob("*.*")} == {"classifier.keras"}


def test_classifier_loads_with_nothing_but_keras(
    classifier: Any, pictures: NDArray[np.float32], tmp_path: Path
) -> None:
    save_classifier(classifier, tmp_path / "classifier.keras")
    shown = pictures.round().astype(np.uint8)
    np.save(tmp_path / "pictures.npy", shown)
    program = (
        "import sys, numpy, keras;"
        "found = keras.models.load_model('classifier.keras').predict(numpy.load('pictures.npy'));"
        "numpy.save('found.npy', found); sys.exit('tench' in sys.modules)"
    )
    where = {"KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "tensorflow"}
    # -I: no PYTHONPATH and no current directory to import Tench from
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, env=where, check=True)
    expected = classifier.predict(shown.astype(np.float32), verbose=0)
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, atol=1e-5)


def test_summary_tells_the_papers_totals(classifier: Any) -> None:
    lines = summary_lines(classifier)
    assert f"Total params: {2_257_984 + 81_984 + 650:,}" in lines
    assert any("dense" in line and "81,984" in line for line in lines)
    assert summary_svg(classifier).count("<text") == len(lines)
