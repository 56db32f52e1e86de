"""The trunk: images to the activations at a cut. It is frozen, and run once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.model.network.backbone import Model, cut_tensor, input_scaling_layer
from tench.model.network.keras_setup import keras


class Affine(keras.layers.Layer):  # type: ignore[misc]
    """A scale and an offset a channel: what BatchNorm in inference mode is."""

    def build(self, shape: Any) -> None:
        channels = (shape[-1],)
        self.scale = self.add_weight(channels, initializer="ones", name="scale")
        self.offset = self.add_weight(channels, initializer="zeros", name="offset")

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs * self.scale + self.offset


def batch_norm_scale_and_offset(norm: Any) -> list[NDArray[np.float64]]:
    """A BatchNorm layer's scale and offset in inference mode, by NumPy's exact square root: that of
    TensorFlow, from the reciprocal that a processor guesses, is another one on Intel and on AMD."""
    gamma, beta, mean, variance = (weight.astype(np.float64) for weight in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [scale, beta - mean * scale]


def replace_batch_norm(backbone: Model) -> Model:
    """A copy of the backbone with every BatchNorm layer as the scale and offset that it is."""

    def copy(layer: Any) -> Any:
        if type(layer) is keras.layers.BatchNormalization:
            return Affine(name=layer.name)
        return type(layer).from_config(layer.get_config())

    twin = keras.models.clone_model(backbone, clone_function=copy)
    for layer in backbone.layers:
        if type(layer) is keras.layers.BatchNormalization:
            twin.get_layer(layer.name).set_weights(batch_norm_scale_and_offset(layer))
        elif layer.weights:
            twin.get_layer(layer.name).set_weights(layer.get_weights())
    return twin


def build_frozen_base(backbone: Model, name: str, cut: int, pooled: bool = False) -> Model:
    """Images, float32 (n, size, size, 3) in 0 ... 255, to a list: the activations entering layer
    `cut` of a backbone of BACKBONES, and if `pooled` its pooled features (n, channels) too."""
    size = backbone.input_shape[1]
    image = keras.Input((size, size, 3), name="image")
    twin = replace_batch_norm(backbone)
    tensors = [cut_tensor(twin, cut)]
    if pooled:
        tensors.append(keras.layers.GlobalAveragePooling2D()(twin.output))
    outputs = keras.Model(twin.input, tensors)(input_scaling_layer(name)(image))
    return keras.Model(image, outputs)
