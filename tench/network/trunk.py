"""The trunk: pictures to the activations at a cut. It is frozen, and run once."""

from typing import Any

from tench.network.backbone import Model, entering
from tench.network.runtime import keras


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
