"""MobileNetV2 and its split: trunk and tail, head, and the assembled classifier.

A backbone is cut between two layers where a single tensor crosses. What lies before the cut is the
frozen trunk, whose outputs are computed once; what lies behind it is the tail. With BatchNorm in
inference mode and no augmentation, training the tail on the trunk's outputs is exactly training
the whole model with the trunk frozen.
"""

import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from tench.cli import TenchError
from tench.params import ExtractTrain
from tench.runtime import keras

Model = Any  # keras.Model; Keras ships no types


def build_backbone(image_size: int) -> Model:
    """MobileNetV2, alpha 1.0, without its top and without weights; its input is in [-1, 1]."""
    picture = keras.Input((image_size, image_size, 3), name="scaled_picture")
    return keras.applications.MobileNetV2(
        input_tensor=picture,
        include_top=False,
        weights=None,
        name=f"mobilenetv2_1.00_{image_size}",
    )


def load_backbone(file: Path, image_size: int) -> Model:
    """Build the backbone and load its weights from a .weights.h5 file. Raises TenchError."""
    backbone = build_backbone(image_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a line for every layer, before the error that counts
            backbone.load_weights(file)
    except FileNotFoundError:
        raise TenchError(f"{file}: no such file (backbone.weights)") from None
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0].partition(" Example error")[0]
        raise TenchError(
            f"{file}: not the weights of MobileNetV2 (alpha 1.0, no top) as Keras saves them "
            f"in a .weights.h5 file: {reason}"
        ) from None
    return backbone


def crossing(backbone: Model, layer: int) -> list[int]:
    """The layers before `layer` whose outputs are needed at or after it."""
    layers = backbone.layers
    if layer >= len(layers):
        return [len(layers) - 1]
    made = {id(one.output): number for number, one in enumerate(layers)}
    needed = {
        made[id(tensor)]
        for one in layers[max(layer, 1) :]
        for tensor in (one.input if isinstance(one.input, list) else [one.input])
    }
    return sorted(number for number in needed if number < max(layer, 1))


def cut_at(backbone: Model, layer: int) -> int:
    """The latest cut at or before `layer`: a layer number (1 ... 154) only one tensor crosses to.

    Cut 1 is the scaled picture itself, cut 154 the backbone's output.
    """
    return next(cut for cut in range(max(layer, 1), 0, -1) if len(crossing(backbone, cut)) == 1)


def entering(backbone: Model, cut: int) -> Any:
    """The one tensor that crosses to layer `cut`."""
    return backbone.layers[crossing(backbone, cut)[0]].output


def training_cut(backbone: Model, fine_tune_at: int, tap_at: int) -> int:
    """Where to split for fine-tuning from layer `fine_tune_at`.

    At the tap if nothing before it learns. Else at the latest cut before `fine_tune_at` whose
    activations are no larger than the picture; where there is none, at the picture itself.
    """
    tap = cut_at(backbone, tap_at)
    if fine_tune_at >= tap:
        return tap
    cut = cut_at(backbone, fine_tune_at)
    picture = np.prod(backbone.input_shape[1:])
    while np.prod(entering(backbone, cut).shape[1:]) > picture:
        cut = cut_at(backbone, cut - 1)
    return cut


def build_trunk(backbone: Model, cut: int, pooled: bool = False) -> Model:
    """Pictures, float32 (n, size, size, 3) in 0 ... 255, to a list: the activations entering layer
    `cut`, and if `pooled` the pooled features (n, 1280) too."""
    size = backbone.input_shape[1]
    picture = keras.Input((size, size, 3), name="picture")
    tensors = [entering(backbone, cut)]
    if pooled:
        tensors.append(keras.layers.GlobalAveragePooling2D()(backbone.output))
    outputs = keras.Model(backbone.input, tensors)(scaling()(picture))
    return keras.Model(picture, outputs)


def scaling() -> Any:
    """The layer that scales 0 ... 255 to [-1, 1], as MobileNetV2 was trained."""
    return keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaling")


def build_head(settings: ExtractTrain, classes: int) -> Model:
    """Pooled features (n, 1280) to class probabilities (n, classes)."""
    return keras.Sequential(
        [
            keras.Input((1280,), name="pooled"),
            keras.layers.Dense(settings.dense_units, activation="relu", name="dense"),
            keras.layers.Dropout(settings.dropout, name="dropout"),
            keras.layers.Dense(classes, activation=settings.activation, name="probabilities"),
        ],
        name="head",
    )


def build_tail(backbone: Model, cut: int) -> Model:
    """The backbone's own layers from `cut` on: activations to features (n, h, w, 1280)."""
    if cut == len(backbone.layers):  # none: Keras refuses a model whose input is its output
        features = keras.Input(backbone.output_shape[1:])
        return keras.Model(features, keras.layers.Identity()(features))
    return keras.Model(entering(backbone, cut), backbone.output)


def is_pointwise(layer: Any) -> bool:
    """Whether a layer is a 1 x 1 convolution without bias and stride."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and not layer.use_bias
    )


class InferenceBatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """BatchNorm that learns its scale and offset but never uses or changes batch statistics.

    Calling a model with training=False does not do that: once it is part of another model, Keras 3
    overrides the argument with that model's own.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def trainable_tail(backbone: Model, cut: int, fine_tune_at: int) -> Model:
    """A copy of the backbone from `cut` on, in which the layers before `fine_tune_at` are frozen.

    A 1 x 1 convolution becomes the dense layer over channels that it is: the same numbers, but
    TensorFlow's gradients of a matrix product take a third of the time of a convolution's on CPU.
    """
    tail = build_tail(backbone, cut)

    def copy(layer: Any) -> Any:
        if is_pointwise(layer):
            return keras.layers.Dense(layer.filters, use_bias=False, name=layer.name)
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = InferenceBatchNorm
        return kind.from_config(layer.get_config())

    twin = keras.models.clone_model(tail, clone_function=copy)
    copy_weights(tail, twin)
    frozen = {layer.name for layer in backbone.layers[:fine_tune_at]}
    for layer in twin.layers:
        layer.trainable = layer.name not in frozen
    return twin


def copy_weights(source: Model, target: Model) -> None:
    """Copy the weights of every layer of `source` to its namesake in `target`; kernels of equal
    size and other shape are reshaped: (1, 1, in, out) to (in, out) and back."""
    for layer in source.layers:
        if layer.weights:
            twin = target.get_layer(layer.name)
            shapes = [weight.shape for weight in twin.weights]
            values = layer.get_weights()
            twin.set_weights([v.reshape(s) for v, s in zip(values, shapes, strict=True)])


def on_activations(tail: Model, head: Model) -> Model:
    """Activations entering the tail to class probabilities."""
    activations = keras.Input(tail.input_shape[1:], name="activations")
    features = keras.layers.GlobalAveragePooling2D(name="pooling")(tail(activations))
    return keras.Model(activations, head(features))


def assemble(backbone: Model, head: Model) -> Model:
    """The whole classifier: pictures (n, size, size, 3) in 0 ... 255 to class probabilities."""
    size = backbone.input_shape[1]
    picture = keras.Input((size, size, 3), name="picture")
    x = backbone(scaling()(picture))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    for layer in head.layers:
        x = layer(x)
    return keras.Model(picture, x, name="classifier")


def classifier_parts(classifier: Model) -> tuple[Model, Model]:
    """The backbone inside an assembled classifier, and its head."""
    names = [layer.name for layer in classifier.layers]
    place = names.index("pooling")
    return classifier.layers[place - 1], keras.Sequential(classifier.layers[place + 1 :])


def split_classifier(classifier: Model, cut: int) -> tuple[Model, Model]:
    """The tail of an assembled classifier from layer `cut` of its backbone on, and its head."""
    backbone, head = classifier_parts(classifier)
    return build_tail(backbone, cut), head


def with_activations(classifier: Model, cut: int) -> Model:
    """The classifier's layers as a model with two outputs: the activations entering layer `cut` of
    its backbone, and its probabilities."""
    backbone, head = classifier_parts(classifier)
    both = keras.Model(backbone.input, [entering(backbone, cut), backbone.output])
    scaled = classifier.get_layer("scaling")(classifier.input)
    activations, features = both(scaled)
    pooled = classifier.get_layer("pooling")(features)
    return keras.Model(classifier.input, [activations, head(pooled)])


def save_classifier(model: Model, file: Path) -> None:
    """Save as .keras so that the same weights give the same bytes in every process: without dates,
    in it or on it, and with shared objects numbered instead of named by their memory address."""
    fresh = file.with_name(f"fresh-{file.name}")
    model.save(fresh)
    with zipfile.ZipFile(fresh) as source, zipfile.ZipFile(file, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "metadata.json":
                content = f'{{"keras_version": "{keras.__version__}"}}'.encode()
            if name == "config.json":
                content = number_shared_objects(content)
            target.writestr(zipfile.ZipInfo(name), content)
    fresh.unlink()


def number_shared_objects(config: bytes) -> bytes:
    """Replace the values of shared_object_id in Keras's JSON by 1, 2, ... as they appear."""
    numbers: dict[bytes, int] = {}

    def number(found: re.Match[bytes]) -> bytes:
        return found[1] + str(numbers.setdefault(found[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', number, config)


def weight_arrays(model: Model) -> list[np.ndarray]:
    """The model's weights in Keras's order, as little-endian float32."""
    return [np.ascontiguousarray(array, "<f4") for array in model.get_weights()]
