"""MobileNetV2 without its top, and where it can be cut.

A backbone is cut between two layers where a single tensor crosses. What lies before the cut is the
frozen trunk, whose outputs are computed once; what lies behind it is the tail. With BatchNorm in
inference mode and no augmentation, training the tail on the trunk's outputs is exactly training
the whole model with the trunk frozen.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tench.core.errors import TenchError
from tench.network.runtime import keras

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


def weight_arrays(model: Model) -> list[np.ndarray]:
    """The model's weights in Keras's order, as little-endian float32."""
    return [np.ascontiguousarray(array, "<f4") for array in model.get_weights()]


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
