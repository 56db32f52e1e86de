"""The tail: the backbone's layers from a cut on, as they are or as a copy that learns."""

from typing import Any

from tench.model.network.backbone import Model, cut_tensor
from tench.model.network.keras_setup import keras


def build_top(backbone: Model, cut: int) -> Model:
    """The backbone's own layers from `cut` on: activations to features (n, h, w, channels)."""
    if cut == len(backbone.layers):  # none: Keras refuses a model whose input is its output
        features = keras.Input(backbone.output_shape[1:])
        return keras.Model(features, keras.layers.Identity()(features))
    return keras.Model(cut_tensor(backbone, cut), backbone.output)


def is_pointwise(layer: Any) -> bool:
    """Whether a layer is a 1 x 1 convolution without stride."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.kernel_size == (1, 1)
        and layer.strides == (1, 1)
        and layer.groups == 1
    )


class InferenceBatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """BatchNorm that learns its scale and offset but never uses or changes batch statistics.

    Calling a model with training=False does not do that: once it is part of another model, Keras 3
    overrides the argument with that model's own.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(inputs, training=False, mask=mask)


def build_trainable_top(backbone: Model, cut: int, fine_tune_at: int) -> Model:
    """A copy of the backbone from `cut` on, in which the layers before `fine_tune_at` are frozen.

    In training it behaves as in inference: BatchNorm keeps its statistics, and dropout, by which
    EfficientNetV2 leaves out whole blocks (stochastic depth), leaves out none. LayerNorm knows no
    difference. So the trunk's stored outputs stay what the whole model would compute.

    A 1 x 1 convolution becomes the dense layer over channels that it is: the same numbers, but
    TensorFlow's gradients of a matrix product take a third of the time of a convolution's on CPU.
    """
    tail = build_top(backbone, cut)

    def copy(layer: Any) -> Any:
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
