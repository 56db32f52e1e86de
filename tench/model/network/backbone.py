"""A backbone without its top, and where it can be cut.

A backbone is cut between two layers where a single tensor crosses. What lies before the cut is the
frozen trunk, whose outputs are computed once; what lies behind it is the tail. With everything in
inference mode and no augmentation, training the tail on the trunk's outputs is exactly training
the whole model with the trunk frozen.
"""

import difflib
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from tench.core.errors import TenchError
from tench.core.specs import input_scale_and_offset
from tench.model.network.keras_setup import keras

Model = Any  # keras.Model; Keras ships no types


def build_backbone(name: str, image_size: int, weights: str | None = None) -> Model:
    """A backbone of BACKBONES without its top; its input is scaled as `scaling` does.

    Without weights, unless `weights` is "imagenet": then with those that Keras fetches.
    """
    family, _, alpha = name.partition("-")
    options: dict[str, Any] = {}
    if family == "MobileNetV2":
        options = {
            "alpha": float(alpha or 1),
            "name": f"mobilenetv2_{alpha or '1.00'}_{image_size}",
        }
    elif not family.startswith(("ResNet", "DenseNet")):  # these two never scale
        options = {"include_preprocessing": False}
    image = keras.Input((image_size, image_size, 3), name="scaled_image")
    build = getattr(keras.applications, family)
    return build(input_tensor=image, include_top=False, weights=weights, **options)


def input_scaling_layer(name: str) -> Any:
    """The layer that scales 0 ... 255 to what the backbone's weights were trained on."""
    scale, offset = input_scale_and_offset(name)
    return keras.layers.Rescaling(scale, offset=offset, name="scaling")


def load_backbone(file: Path, name: str, image_size: int) -> Model:
    """Build the backbone and load its weights from a .weights.h5 file. Raises TenchError."""
    backbone = build_backbone(name, image_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a line for every layer, before the error that counts
            backbone.load_weights(file)
    except FileNotFoundError:
        raise TenchError(f"{file}: no such file (backbone.weights)") from None
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0].partition(" Example error")[0]
        raise TenchError(
            f"{file}: not the weights of {name} without its top as Keras saves them "
            f"in a .weights.h5 file: {reason}"
        ) from None
    return backbone


def weight_arrays(model: Model) -> list[np.ndarray]:
    """The model's weights in Keras's order, as little-endian float32."""
    return [np.ascontiguousarray(array, "<f4") for array in model.get_weights()]


def last_uses(backbone: Model) -> list[int]:
    """For every operation of the backbone the number of the last one that needs its output.

    Operations are layers and, in some backbones, sums between them that Keras does not number.
    """
    operations = backbone.operations
    made = {id(one.output): number for number, one in enumerate(operations)}
    last = [len(operations)] * len(operations)  # so for the backbone's own output
    for number, one in enumerate(operations[1:], 1):
        for tensor in one.input if isinstance(one.input, list) else [one.input]:
            last[made[id(tensor)]] = number
    return last


def operation_number(backbone: Model, layer: int) -> int:
    """Where among the operations layer number `layer` is, from 1; their number behind the last."""
    layers, operations = backbone.layers, backbone.operations
    return operations.index(layers[max(layer, 1)]) if layer < len(layers) else len(operations)


def crossing_operations(last: list[int], first: int) -> list[int]:
    """The operations before number `first` whose outputs are needed at or after it."""
    return [number for number in range(first) if last[number] >= first]


def find_cuts(backbone: Model) -> dict[int, Any]:
    """All cuts, in their order: layers, from 1, to which one tensor crosses, and that tensor.

    Cut 1 is the scaled image itself, the cut behind the last layer the backbone's output.
    """
    last, found = last_uses(backbone), {}
    for layer in range(1, len(backbone.layers) + 1):
        crossed = crossing_operations(last, operation_number(backbone, layer))
        if len(crossed) == 1:
            found[layer] = backbone.operations[crossed[0]].output
    return found


def latest_cut(backbone: Model, layer: int) -> int:
    """The latest cut at or before `layer`."""
    return max(cut for cut in find_cuts(backbone) if cut <= max(layer, 1))


def cut_tensor(backbone: Model, cut: int) -> Any:
    """The one tensor that crosses to layer `cut`."""
    return find_cuts(backbone)[cut]


def values_per_image(tensor: Any) -> int:
    """How many numbers an image a tensor holds."""
    return int(np.prod(tensor.shape[1:]))


def splits_batch_norm(backbone: Model, cut: int) -> bool:
    """Whether a convolution's output crosses to its BatchNorm. LiteRT makes one operation of the
    two where it may, and rounds otherwise where it may not: then all that follows has other bytes.
    """
    before, *behind = backbone.layers[cut - 1 : cut + 1]
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    norms = [one for one in behind if isinstance(one, keras.layers.BatchNormalization)]
    return bool(norms) and isinstance(before, convolutions)


def cache_cut(backbone: Model, cache_at: int | str) -> int:
    """The cut whose activations are stored: at or before a layer, or (auto) the first of those
    where they are smallest and no convolution is parted from its BatchNorm."""
    if cache_at == "auto":
        tensors = find_cuts(backbone)
        whole = [cut for cut in tensors if not splits_batch_norm(backbone, cut)]
        return min(whole, key=lambda cut: values_per_image(tensors[cut]))
    return latest_cut(backbone, int(cache_at))


def resolve_layer_number(backbone: Model, layer: int | str) -> int:
    """A layer's number, by its number or its name. Raises TenchError if no layer is called so."""
    names = [one.name for one in backbone.layers]
    if isinstance(layer, int):
        return layer
    if layer not in names:
        near = difflib.get_close_matches(layer, names, 3)
        raise TenchError(
            f"finetune.fine_tune_at = {layer!r}: {backbone.name} has no such layer; "
            + (f"did you mean {' or '.join(near)}? " if near else "")
            + "`python -m tench.backbones NAME` lists the layers at which it can be cut"
        )
    return names.index(layer)


def training_cut(backbone: Model, fine_tune_at: int, cache_at: int | str) -> int:
    """The cut whose activations are stored, for fine-tuning from layer `fine_tune_at` on.

    Raises:
        TenchError: that layer lies before it. The message has the latest cut at or before the layer
            that could be stored: with activations no larger than the image, and no convolution
            parted from its BatchNorm.
    """
    tap = cache_cut(backbone, cache_at)
    first = max(fine_tune_at, 1)  # layer 0 is the input
    if first < tap:
        tensors = find_cuts(backbone)
        small = [n for n in tensors if values_per_image(tensors[n]) <= values_per_image(tensors[1])]
        usable = max(n for n in small if n <= first and not splits_batch_norm(backbone, n))
        raise TenchError(
            f"finetune.fine_tune_at: layer {fine_tune_at} lies before layer {tap}, whose input is "
            f"stored (backbone.cache_at). Set backbone.cache_at to {usable} in params.yaml, or "
            f"finetune.fine_tune_at to {tap} or more"
        )
    return tap
