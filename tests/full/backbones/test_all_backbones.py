"""Every backbone: the table's facts, its input scaling, and its split into frozen base and top."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_networks import head_params, make_noise_images, set_random_weights

from tench.core.errors import TenchError
from tench.core.specs import BACKBONES
from tench.model.embed.engine import open_engine
from tench.model.network.backbone import (
    build_backbone,
    cache_cut,
    cut_tensor,
    find_cuts,
    input_scaling_layer,
    resolve_layer_number,
    values_per_image,
)
from tench.model.network.classifier import (
    assemble_classifier,
    build_head,
    connect_top_and_head,
    with_activation,
)
from tench.model.network.frozen_base import build_frozen_base
from tench.model.network.keras_setup import keras, tf
from tench.model.network.save import save_classifier
from tench.model.network.trainable_top import build_trainable_top

# The larger ones take minutes, and are made of the same layers, more of them and wider.
EVERY = [name for name, known in BACKBONES.items() if known.parameters < 30e6]
SIZE, CLASSES = 64, 3
LABELS = np.array([0, 1, 2, 0])


def images() -> NDArray[np.uint8]:
    """Four images of noise as they are stored."""
    return make_noise_images(SIZE).astype(np.uint8)


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Let Keras build in float32 or float64.

    Random networks, deep ones above all, make far more of float32's rounding, and near zero it
    decides whether a ReLU lets a gradient pass.
    """
    before = keras.config.floatx()
    try:
        keras.config.set_floatx(name)
        keras.config.set_dtype_policy(name)
        yield
    finally:
        keras.config.set_floatx(before)
        keras.config.set_dtype_policy(before)


def lively(name: str) -> Any:
    """A backbone with weights that make a difference, and none so large that it grows from block to
    block, as it would in EfficientNetV2."""
    backbone = build_backbone(name, SIZE)
    set_random_weights(backbone, 1, spread=0.2)
    if name.startswith("EfficientNetV2"):
        for weight in backbone.weights:
            if len(weight.shape) > 1:
                weight.assign(0.8 * weight)
    return backbone


def head_for(features: NDArray[np.float64]) -> Any:
    """A head for which these features (n, h, w, channels) differ, however little they do."""
    pooled = features.mean(axis=(1, 2))
    head = build_head(head_params(dropout=0), pooled.shape[1], CLASSES)
    kernel, bias = head.get_layer("dense").weights
    kernel.assign(kernel / pooled.std(axis=0).mean())
    bias.assign(-pooled.mean(axis=0) @ kernel.numpy())
    return head


def slopes(
    answer: Callable[[], Any], weights: Sequence[Any]
) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    """The probabilities that `answer` returns, and the gradients of their cross-entropy."""
    with tf.GradientTape() as tape:
        said = answer()
        total = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(LABELS, said))
    return said.numpy(), [np.asarray(slope) for slope in tape.gradient(total, weights)]


def check_split(name: str) -> None:
    """Compare a whole classifier with its frozen base, then its trainable top.

    The probabilities must agree, and the gradients of all trainable weights.
    """
    backbone, raw = lively(name), images()
    head = head_for(backbone(input_scaling_layer(name)(raw), training=False).numpy())
    cut = cache_cut(backbone, "auto")
    whole, trunk = assemble_classifier(backbone, name, head), build_frozen_base(backbone, name, cut)
    tail = build_trainable_top(backbone, cut, cut)
    split = with_activation(connect_top_and_head(tail, head))

    learning = [layer for layer in (*tail.layers, *head.layers) if layer.trainable_weights]
    assert len(learning) > 4
    ours = [weight for layer in learning for weight in layer.trainable_weights]
    keras_own = {layer.name: layer for layer in (*backbone.layers, *head.layers)}
    theirs = [w for layer in learning for w in keras_own[layer.name].trainable_weights]

    expected, wanted = slopes(lambda: whole(raw, training=False), theirs)
    (activations,) = tf.nest.flatten(trunk(raw, training=False))
    said, found = slopes(lambda: split(activations, training=True), ours)
    assert np.ptp(expected, axis=0).max() > 1e-3
    np.testing.assert_allclose(said, expected, atol=1e-6)
    for weight, slope, other in zip(theirs, found, wanted, strict=True):
        error = np.abs(slope.reshape(other.shape) - other).max()
        assert error <= 1e-4 * np.abs(other).max(), weight.path
    assert max(np.abs(slope).max() for slope in wanted) > 1e-3


def check_engines(name: str) -> None:
    """Compare a frozen base on both engines (float32) with Keras in float64."""
    single, raw = lively(name), images()
    cut = cache_cut(single, "auto")
    with precision("float64"):
        exact = build_backbone(name, SIZE)
        exact.set_weights(single.get_weights())
        (truth,) = tf.nest.flatten(build_frozen_base(exact, name, cut)(raw, training=False))
    trunk = build_frozen_base(single, name, cut)
    errors = {}
    for engine in ("tensorflow", "litert"):
        with open_engine(trunk, engine) as opened:
            (found,) = opened.forward(raw)
        errors[engine] = float(np.abs(found - truth).max() / np.abs(truth).max())
    assert errors["litert"] <= max(1e-4, 5 * errors["tensorflow"]), errors


@pytest.mark.parametrize("name", EVERY)
def test_frozen_base_then_top_is_the_whole(name: str) -> None:
    with precision("float64"):
        check_split(name)


@pytest.mark.parametrize("name", EVERY)
def test_the_frozen_base_agrees_on_both_engines(name: str) -> None:
    check_engines(name)


@pytest.mark.parametrize("name", EVERY)
def test_facts_of_the_table(name: str) -> None:
    known = BACKBONES[name]
    backbone = build_backbone(name, known.pretrained_size)
    assert len(backbone.layers) == known.layers
    assert backbone.count_params() == known.parameters
    assert backbone.output_shape[-1] == known.features
    assert cache_cut(backbone, "auto") == known.auto_cache_at
    sizes = [values_per_image(tensor) for tensor in find_cuts(backbone).values()]
    assert values_per_image(cut_tensor(backbone, known.auto_cache_at)) == min(sizes)


@pytest.mark.parametrize(
    ("name", "preprocess"),
    [
        ("MobileNetV2-0.35", "mobilenet_v2"),
        ("ResNet50V2", "resnet_v2"),
        ("DenseNet121", "densenet"),
    ],
)
def test_images_are_scaled_as_keras_does_before_a_model(name: str, preprocess: str) -> None:
    raw = images().astype(np.float32)
    theirs = getattr(keras.applications, preprocess).preprocess_input(raw.copy())
    np.testing.assert_allclose(input_scaling_layer(name)(raw), theirs, atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "MobileNetV3Small",
        "EfficientNetV2B0",
        "ConvNeXtTiny",
    ],
)
def test_images_are_scaled_as_keras_does_in_a_model(name: str) -> None:
    backbone = lively(name)
    whole = getattr(keras.applications, name)(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3), include_preprocessing=True
    )
    whole.set_weights(backbone.get_weights())
    raw = images().astype(np.float32)
    theirs = whole(raw, training=False).numpy()
    ours = backbone(input_scaling_layer(name)(raw), training=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())


def test_the_largest_efficientnets_scale_otherwise() -> None:
    config = keras.applications.EfficientNetV2S(
        include_top=False, weights=None, input_shape=(SIZE, SIZE, 3)
    ).layers[1]
    assert isinstance(config, keras.layers.Rescaling)
    for name in ("EfficientNetV2S", "EfficientNetV2M", "EfficientNetV2L"):
        assert (input_scaling_layer(name).scale, input_scaling_layer(name).offset) == (
            config.scale,
            config.offset,
        )


def test_dropout_of_a_backbone_leaves_nothing_out() -> None:
    name = "EfficientNetV2B0"
    tail = build_trainable_top(build_backbone(name, SIZE), 160, 160)
    assert not [layer for layer in tail.layers if isinstance(layer, keras.layers.Dropout)]
    assert [layer.name for layer in tail.layers if layer.name.endswith("_drop")]


def test_a_saved_classifier_on_a_backbone_with_layers_of_its_own_is_read(tmp_path: Path) -> None:
    name = "ConvNeXtTiny"
    backbone = lively(name)
    head = build_head(head_params(), backbone.output_shape[-1], CLASSES)
    whole = assemble_classifier(backbone, name, head)
    save_classifier(whole, tmp_path / "classifier.keras")
    again = keras.models.load_model(tmp_path / "classifier.keras", compile=False)
    raw = images().astype(np.float32)
    assert np.array_equal(again(raw, training=False), whole(raw, training=False))


def test_a_layer_goes_by_its_number_or_its_name() -> None:
    backbone = build_backbone("MobileNetV2", SIZE)
    assert resolve_layer_number(backbone, 130) == 130
    assert resolve_layer_number(backbone, backbone.layers[135].name) == 135
    with pytest.raises(TenchError) as caught:
        resolve_layer_number(backbone, "block_15_expanded")
    assert str(caught.value).startswith("finetune.fine_tune_at = 'block_15_expanded': ")
    assert "did you mean block_15_expand" in str(caught.value)
    assert "python -m tench.backbones" in str(caught.value)


def backbones(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the list of backbones."""
    return subprocess.run(
        [sys.executable, "-m", "tench.backbones", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_list_names_all() -> None:
    said = backbones()
    assert said.returncode == 0
    assert [line.split()[0] for line in said.stdout.splitlines()[1:]] == list(BACKBONES)


def test_cuts_of_one_are_listed() -> None:
    said = backbones("MobileNetV3Small", "--image-size", "64")
    assert said.stderr == ""
    lines = said.stdout.splitlines()
    assert lines[1].split()[1:] == ["1", "64", "x", "64", "x", "3", "49"]
    (auto,) = [line.split() for line in lines if line.endswith("auto")]
    assert auto[:2] == ["expanded_conv_9_expand", "123"]
    assert lines[-1].startswith("(after the last")


@pytest.mark.parametrize("wrong", [("MobileNetV1",), ("MobileNetV2", "--image-size", "8")])
def test_unknown_names_are_reported(wrong: tuple[str, ...]) -> None:
    said = backbones(*wrong)
    assert said.returncode != 0
    assert said.stderr.startswith("error: ")
    assert "Traceback" not in said.stderr
