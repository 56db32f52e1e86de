"""The frozen base: images to the activations at a cut. It runs once per image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.model.network.backbone import Model, cut_tensor, input_scaling_layer
from tench.model.network.keras_setup import keras


class Affine(keras.layers.Layer):  # type: ignore[misc]
    """A scale and an offset per channel, as BatchNorm applies in inference mode."""

    def build(self, shape: Any) -> None:
        channels = (shape[-1],)
        self.scale = self.add_weight(channels, initializer="ones", name="scale")
        self.offset = self.add_weight(channels, initializer="zeros", name="offset")

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs * self.scale + self.offset


def batch_norm_scale_and_offset(norm: Any) -> list[NDArray[np.float64]]:
    """The scale and offset of a BatchNorm layer in inference mode: gamma / sqrt(var + epsilon),
    beta - mean * scale.

    NumPy's square root is exact. TensorFlow uses an approximate reciprocal, which differs between
    Intel and AMD.
    """
    gamma, beta, mean, variance = (weight.astype(np.float64) for weight in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    return [scale, beta - mean * scale]


def replace_batch_norm(backbone: Model) -> Model:
    """A copy of the backbone with every BatchNorm layer replaced by an Affine layer."""

    def clone_layer(layer: Any) -> Any:
        if type(layer) is keras.layers.BatchNormalization:
            return Affine(name=layer.name)
        return type(layer).from_config(layer.get_config())

    clone = keras.models.clone_model(backbone, clone_function=clone_layer)
    for layer in backbone.layers:
        if type(layer) is keras.layers.BatchNormalization:
            clone.get_layer(layer.name).set_weights(batch_norm_scale_and_offset(layer))
        elif layer.weights:
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    return clone


def build_frozen_base(backbone: Model, name: str, cut: int, pooled: bool = False) -> Model:
    """Build the frozen base of a backbone.

    Args:
        backbone: without its top.
        name: of the backbone, a key of BACKBONES.
        cut: the layer whose input activations are an output.
        pooled: also output the pooled features (n, channels).

    Returns:
        a model from images, float32 (n, size, size, 3) in [0, 255], to a list of outputs.
    """
    size = backbone.input_shape[1]
    image = keras.Input((size, size, 3), name="image")
    clone = replace_batch_norm(backbone)
    tensors = [cut_tensor(clone, cut)]
    if pooled:
        tensors.append(keras.layers.GlobalAveragePooling2D()(clone.output))
    outputs = keras.Model(clone.input, tensors)(input_scaling_layer(name)(image))
    return keras.Model(image, outputs)
