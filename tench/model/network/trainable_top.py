"""The trainable top: the layers of the backbone from a cut on."""

from typing import Any

from tench.model.network.backbone import Model, cut_tensor
from tench.model.network.keras_setup import keras


def build_top(backbone: Model, cut: int) -> Model:
    """The backbone's own layers from `cut` on: activations to features (n, h, w, channels)."""
    if cut == len(backbone.layers):  # Keras rejects a model whose input is its output
        features = keras.Input(backbone.output_shape[1:])
        return keras.Model(features, keras.layers.Identity()(features))
    return keras.Model(cut_tensor(backbone, cut), backbone.output)


def is_pointwise(layer: Any) -> bool:
    """Whether a layer is a 1 x 1 convolution without stride or groups."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
    )


class InferenceBatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """BatchNorm that learns scale and offset but never uses or updates batch statistics.

    Passing training=False is not enough: Keras 3 overrides it once the model is part of another.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def build_trainable_top(backbone: Model, cut: int, fine_tune_at: int) -> Model:
    """A trainable copy of the backbone from `cut` on, with layers before `fine_tune_at` frozen.

    It computes the same in training as in inference, so that cached activations stay valid:
    BatchNorm keeps its statistics, and EfficientNetV2's stochastic depth (dropout of whole blocks)
    is off.

    A 1 x 1 convolution becomes a dense layer over channels. The result is the same, but on CPU
    TensorFlow computes the gradients of a matrix product in a third of the time.
    """
    top = build_top(backbone, cut)

    def clone_layer(layer: Any) -> Any:
        if is_pointwise(layer):
            return keras.layers.Dense(
                layer.filters, layer.activation, layer.use_bias, name=layer.name
            )
        if type(layer) is keras.layers.Dropout:
            return keras.layers.Identity(name=layer.name)
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = InferenceBatchNorm
        return kind.from_config(layer.get_config())

    clone = keras.models.clone_model(top, clone_function=clone_layer)
    copy_weights(top, clone)
    frozen = {layer.name for layer in backbone.layers[:fine_tune_at]}
    for layer in clone.layers:
        layer.trainable = layer.name not in frozen
    return clone


def copy_weights(source: Model, target: Model) -> None:
    """Copy the weights of every layer of `source` to the layer of that name in `target`.

    Kernels are reshaped between (1, 1, in, out) and (in, out).
    """
    for layer in source.layers:
        if layer.weights:
            copy = target.get_layer(layer.name)
            shapes = [weight.shape for weight in copy.weights]
            values = layer.get_weights()
            copy.set_weights([v.reshape(s) for v, s in zip(values, shapes, strict=True)])
