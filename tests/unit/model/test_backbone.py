"""MobileNetV2 and its cuts: the paper's numbers, and frozen base + top equal the backbone."""

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_networks import head_params, make_noise_images, set_random_weights

from stages.evaluate import model_summary
from tench.core.errors import TenchError
from tench.model.network.backbone import (
    build_backbone,
    cut_tensor,
    input_scaling_layer,
    latest_cut,
    splits_batch_norm,
    training_cut,
)
from tench.model.network.classifier import (
    assemble_classifier,
    build_head,
    connect_top_and_head,
    split_classifier,
    with_activation,
    with_activations,
)
from tench.model.network.frozen_base import (
    batch_norm_scale_and_offset,
    build_frozen_base,
    replace_batch_norm,
)
from tench.model.network.keras_setup import keras, tf
from tench.model.network.trainable_top import (
    build_top,
    build_trainable_top,
    copy_weights,
    is_pointwise,
)

SIZE = 64


@pytest.fixture(scope="module")
def backbone() -> Any:
    """A backbone with random weights. Read-only."""
    model = build_backbone("MobileNetV2", SIZE)
    set_random_weights(model, 1)
    return model


@pytest.fixture(scope="module")
def classifier(backbone: Any) -> Any:
    """A classifier assembled from the backbone and a head."""
    head = build_head(head_params(), 1280, 10)
    set_random_weights(head, 6)
    return assemble_classifier(backbone, "MobileNetV2", head)


@pytest.fixture(scope="module")
def paper_backbone() -> Any:
    """A backbone for the paper's image size. Tests may change its weights."""
    return build_backbone("MobileNetV2", 160)


@pytest.fixture(scope="module")
def images() -> NDArray[np.float32]:
    """Four images of noise of different brightness, in [0, 255]."""
    return make_noise_images(SIZE).astype(np.float32)


@pytest.fixture(scope="module")
def features(backbone: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of the backbone for the images."""
    scaled = input_scaling_layer("MobileNetV2")(images)
    np.testing.assert_allclose(scaled, images / 127.5 - 1, atol=1e-6)
    output = backbone(scaled, training=False).numpy()
    assert np.ptp(output.mean(axis=(1, 2)), axis=0).max() > 0.1  # images differ
    return np.asarray(output)


def random_activations(backbone: Any, cut: int) -> NDArray[np.float32]:
    """Random activations of the input shape of layer `cut`."""
    shape = cut_tensor(backbone, cut).shape[1:]
    return np.random.default_rng(3).normal(0, 1, (4, *shape)).astype(np.float32)


def test_numbers_of_the_paper(paper_backbone: Any) -> None:
    assert len(paper_backbone.layers) == 154
    assert paper_backbone.count_params() == 2_257_984
    assert paper_backbone.output_shape == (None, 5, 5, 1280)
    assert cut_tensor(paper_backbone, 125).shape == (None, 5, 5, 160)
    head = build_head(head_params(), 1280, 10)
    assert [layer.count_params() for layer in head.layers if layer.weights] == [81_984, 650]
    top = build_trainable_top(paper_backbone, latest_cut(paper_backbone, 125), 130)
    names = {layer.name for layer in paper_backbone.layers}
    trainable = [layer for layer in top.layers if layer.trainable and layer.name in names]
    assert [layer.name for layer in trainable] == [
        layer.name for layer in paper_backbone.layers[130:]
    ]
    assert len(trainable) == 24


def test_cuts_are_layers_that_a_single_tensor_enters(backbone: Any) -> None:
    assert {layer: latest_cut(backbone, layer) for layer in (0, 1, 125, 130, 134, 154)} == {
        0: 1,
        1: 1,
        125: 125,
        130: 125,
        134: 134,
        154: 154,
    }
    assert cut_tensor(backbone, 1) is backbone.inputs[0]
    assert cut_tensor(backbone, 154) is backbone.outputs[0]


def test_fine_tuning_before_the_cached_layer_suggests_a_usable_cut(backbone: Any) -> None:
    assert [training_cut(backbone, layer, 125) for layer in (125, 130, 154)] == [125] * 3
    assert training_cut(backbone, 154, 154) == 154
    image = np.prod(backbone.input_shape[1:])
    for layer in range(0, 125, 4):
        with pytest.raises(TenchError, match=rf"layer {layer} lies before layer 125") as error:
            training_cut(backbone, layer, 125)
        cut = int(re.findall(r"backbone\.cache_at to (\d+)", str(error.value))[0])
        assert training_cut(backbone, layer, cut) == cut  # the suggestion works
        assert not splits_batch_norm(backbone, cut)
        assert cut == latest_cut(backbone, cut)
        assert np.prod(cut_tensor(backbone, cut).shape[1:]) <= image
    assert training_cut(backbone, 0, 1) == 1


def assert_equal_features(actual: Any, expected: NDArray[np.float32]) -> None:
    """Check that features agree to within the error of float32 in a network of random weights."""
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("cut", [98, 154, 1, 125])
def test_frozen_base_then_top_equals_the_backbone(
    backbone: Any, images: NDArray[np.float32], features: NDArray[np.float32], cut: int
) -> None:
    activations, pooled = build_frozen_base(backbone, "MobileNetV2", cut, pooled=True)(images)
    assert pooled.shape == (4, 1280)
    assert_equal_features(pooled, features.mean(axis=(1, 2)))
    assert_equal_features(build_top(backbone, cut)(activations), features)
    top = build_trainable_top(backbone, cut, 130)
    for training in (False, True):  # BatchNorm stays in inference mode
        assert_equal_features(top(activations, training=training), features)


def test_pointwise_convolutions_become_dense_layers(backbone: Any) -> None:
    plain = build_top(backbone, 125)
    top = build_trainable_top(backbone, 125, 130)
    kinds = [type(layer).__name__ for layer in top.layers]
    assert kinds.count("Dense") == sum(map(is_pointwise, plain.layers)) == 7
    assert "Conv2D" not in kinds


def test_the_frozen_base_computes_no_approximate_square_root(backbone: Any) -> None:
    """TensorFlow's differs between Intel and AMD, and so would the folded weights."""
    layers = {type(layer).__name__ for layer in replace_batch_norm(backbone).layers}
    assert "Affine" in layers
    assert "BatchNormalization" not in layers
    norm = backbone.layers[2]
    gamma, beta, mean, variance = norm.get_weights()
    scale, offset = batch_norm_scale_and_offset(norm)
    rows = np.random.default_rng(0).normal(0, 1, (5, len(gamma)))
    expected = (rows - mean) / np.sqrt(variance + norm.epsilon) * gamma + beta
    np.testing.assert_allclose(rows * scale + offset, expected, atol=1e-5)


def test_weights_are_copied_into_a_top_and_back(backbone: Any, paper_backbone: Any) -> None:
    top = build_trainable_top(backbone, 125, 130)
    set_random_weights(top, 4)
    copy_weights(top, paper_backbone)
    rebuilt = build_trainable_top(paper_backbone, 125, 130)
    assert len(top.weights) == len(rebuilt.weights) > 0
    for expected, actual in zip(top.get_weights(), rebuilt.get_weights(), strict=True):
        assert np.array_equal(expected, actual)
    before = build_top(backbone, 125).get_weights()
    after = build_top(paper_backbone, 125).get_weights()
    assert not any(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_a_training_step_of_the_trainable_top_equals_one_of_the_original_layers(
    backbone: Any, activation: str
) -> None:
    rate, cut, first = 0.05, 134, 137
    start = random_activations(backbone, cut)
    labels = np.array([0, 1, 2, 0])
    head = build_head(head_params(activation, dropout=0), 1280, 3)
    set_random_weights(head, 5)
    plain = build_top(backbone, cut)
    before = {layer.name: layer.get_weights() for layer in plain.layers}
    trainable = [
        layer for layer in backbone.layers[first:] if layer.name in before and layer.weights
    ]
    variables = [w for layer in (*trainable, *head.layers) for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        pooled = tf.reduce_mean(plain(start, training=False), axis=(1, 2))
        logits = head(pooled)
        losses = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        gradients = tape.gradient(tf.reduce_mean(losses), variables)
    expected = {
        weight.path: weight.numpy() - rate * gradient.numpy()
        for weight, gradient in zip(variables, gradients, strict=True)
    }
    assert max(np.abs(rate * gradient.numpy()).max() for gradient in gradients) > 0.01

    top = build_trainable_top(backbone, cut, first)
    model = with_activation(connect_top_and_head(top, head), activation)
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    model.train_on_batch(start, labels)
    for weight in head.weights:
        np.testing.assert_allclose(weight.numpy(), expected[weight.path], atol=1e-4)
    for layer in top.layers:
        for n, weight in enumerate(layer.get_weights()):
            path = backbone.get_layer(layer.name).weights[n].path
            wanted = expected.get(path, before[layer.name][n]).reshape(weight.shape)
            np.testing.assert_allclose(weight, wanted, atol=1e-4, err_msg=path)
            if path not in expected:  # frozen layers and BatchNorm's statistics
                assert np.array_equal(weight, wanted), path


@pytest.mark.parametrize("cut", [1, 125, 154])
def test_a_split_classifier_predicts_the_same(
    classifier: Any, images: NDArray[np.float32], features: NDArray[np.float32], cut: int
) -> None:
    head = keras.Sequential(classifier.layers[-4:])
    expected = head(features.mean(axis=(1, 2)), training=False)
    assert np.ptp(expected, axis=0).max() > 0.1
    activations, probabilities = with_activations(classifier, cut)(images, training=False)
    rest = with_activation(connect_top_and_head(*split_classifier(classifier, cut)))
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    np.testing.assert_allclose(rest(activations, training=False), expected, atol=1e-5)


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_summary_is_the_same_on_every_terminal(
    classifier: Any, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    lines = model_summary(classifier).splitlines()
    assert any(f"Total params: {2_257_984 + 81_984 + 650:,}" in line for line in lines)
    assert any("dense" in line and "81,984" in line for line in lines)
    assert max(map(len, lines)) == 88
