"""Backbones without their top, and the layers at which they can be cut.

A cut is a layer that a single tensor enters. The layers before it are the frozen base, whose
outputs are computed once and cached; the rest is the trainable top. With BatchNorm in inference
mode and no augmentation, training the top on cached activations equals training the whole model
with the base frozen.
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
    """Build a backbone without its top, for input scaled by `input_scaling_layer`.

    Args:
        name: a key of BACKBONES.
        image_size: pixels a side.
        weights: None for random weights, or "imagenet" for those that Keras fetches.
    """
    family, _, alpha = name.partition("-")
    options: dict[str, Any] = {}
    if family == "MobileNetV2":
        options = {
            "alpha": float(alpha or 1),
            "name": f"mobilenetv2_{alpha or '1.00'}_{image_size}",
        }
    elif not family.startswith(("ResNet", "DenseNet")):  # these two have no scaling layer
        options = {"include_preprocessing": False}
    image = keras.Input((image_size, image_size, 3), name="scaled_image")
    build = getattr(keras.applications, family)
    return build(input_tensor=image, include_top=False, weights=weights, **options)


def input_scaling_layer(name: str) -> Any:
    """The layer that scales pixels from [0, 255] to the range the backbone was trained on."""
    scale, offset = input_scale_and_offset(name)
    return keras.layers.Rescaling(scale, offset=offset, name="scaling")


def load_backbone(file: Path, name: str, image_size: int) -> Model:
    """Build a backbone and load its weights.

    Args:
        file: .weights.h5, as Keras saves it.
        name: a key of BACKBONES.
        image_size: pixels a side.

    Raises:
        TenchError: the file is missing, or has the weights of another model.
    """
    backbone = build_backbone(name, image_size)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one per layer, before the error
            backbone.load_weights(file)
    except FileNotFoundError:
        raise TenchError(f"{file}: no such file (backbone.weights)") from None
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).strip().splitlines()[0].partition(" Example error")[0]
        raise TenchError(
            f"{file}: not the weights of {name} without its top, as Keras saves them in a "
            f".weights.h5 file: {reason}"
        ) from None
    return backbone


def weight_arrays(model: Model) -> list[np.ndarray]:
    """The weights of a model in Keras's order, as little-endian float32."""
    return [np.ascontiguousarray(array, "<f4") for array in model.get_weights()]


def last_uses(backbone: Model) -> list[int]:
    """For every operation, the number of the last operation that uses its output.

    Operations are layers and, in some backbones, sums that Keras does not count as layers. The
    last one, whose output is the backbone's, gets the number of operations.
    """
    operations = backbone.operations
    producer = {id(operation.output): number for number, operation in enumerate(operations)}
    last = [len(operations)] * len(operations)
    for number, operation in enumerate(operations[1:], 1):
        inputs = operation.input if isinstance(operation.input, list) else [operation.input]
        for tensor in inputs:
            last[producer[id(tensor)]] = number
    return last


def operation_number(backbone: Model, layer: int) -> int:
    """The operation number of a layer, at least 1; the number of operations after the last."""
    layers, operations = backbone.layers, backbone.operations
    return operations.index(layers[max(layer, 1)]) if layer < len(layers) else len(operations)


def crossing_operations(last: list[int], first: int) -> list[int]:
    """The operations before number `first` whose outputs are used at or after it."""
    return [number for number in range(first) if last[number] >= first]


def find_cuts(backbone: Model) -> dict[int, Any]:
    """All cuts in order: the number of the layer, and the tensor that enters it.

    Cut 1 has the scaled image; the cut after the last layer has the backbone's output.
    """
    last, cuts = last_uses(backbone), {}
    for layer in range(1, len(backbone.layers) + 1):
        crossing = crossing_operations(last, operation_number(backbone, layer))
        if len(crossing) == 1:
            cuts[layer] = backbone.operations[crossing[0]].output
    return cuts


def latest_cut(backbone: Model, layer: int) -> int:
    """The last cut at or before `layer`."""
    return max(cut for cut in find_cuts(backbone) if cut <= max(layer, 1))


def cut_tensor(backbone: Model, cut: int) -> Any:
    """The tensor that enters layer `cut`."""
    return find_cuts(backbone)[cut]


def values_per_image(tensor: Any) -> int:
    """The number of values of a tensor per image."""
    return int(np.prod(tensor.shape[1:]))


def splits_batch_norm(backbone: Model, cut: int) -> bool:
    """Whether a cut lies between a convolution and its BatchNorm.

    LiteRT fuses the two. Cut apart, they round differently, and so does everything after them.
    """
    before, *after = backbone.layers[cut - 1 : cut + 1]
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    norms = [layer for layer in after if isinstance(layer, keras.layers.BatchNormalization)]
    return bool(norms) and isinstance(before, convolutions)


def cache_cut(backbone: Model, cache_at: int | str) -> int:
    """The cut whose activations are cached.

    Args:
        backbone: without its top.
        cache_at: a layer number, for the last cut at or before it; or "auto", for the first of the
            smallest cuts that splits no convolution from its BatchNorm.
    """
    if cache_at == "auto":
        tensors = find_cuts(backbone)
        candidates = [cut for cut in tensors if not splits_batch_norm(backbone, cut)]
        return min(candidates, key=lambda cut: values_per_image(tensors[cut]))
    return latest_cut(backbone, int(cache_at))


def resolve_layer_number(backbone: Model, layer: int | str) -> int:
    """The number of a layer, given its number or name. Raises TenchError for an unknown name."""
    names = [candidate.name for candidate in backbone.layers]
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
    """The cut whose activations are cached, checked against the first layer to fine-tune.

    Raises:
        TenchError: `fine_tune_at` lies before the cut. The message suggests the last usable cut at
            or before it: with activations no larger than the image, and without splitting a
            convolution from its BatchNorm.
    """
    cut = cache_cut(backbone, cache_at)
    first = max(fine_tune_at, 1)  # layer 0 is the input
    if first < cut:
        tensors = find_cuts(backbone)
        small = [n for n in tensors if values_per_image(tensors[n]) <= values_per_image(tensors[1])]
        usable = max(n for n in small if n <= first and not splits_batch_norm(backbone, n))
        raise TenchError(
            f"finetune.fine_tune_at: layer {fine_tune_at} lies before layer {cut}, whose input is "
            f"cached (backbone.cache_at). Set backbone.cache_at to {usable} in params.yaml, or "
            f"finetune.fine_tune_at to {cut} or more"
        )
    return cut
