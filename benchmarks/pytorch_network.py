"""torchvision's MobileNetV2 with Keras's padding, BatchNorm and checkpoint.

Only `benchmarks.pytorch_baseline` and its test import this: Tench does not depend on torch.
"""

from functools import partial
from itertools import count
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (PyTorch's convention)
from torchvision.models import mobilenet_v2
from torchvision.models.mobilenetv2 import InvertedResidual

FEATURE_COUNT = 1280
LAYER_COUNT = 154  # of Keras's MobileNetV2 without its top


def pad_like_keras(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Pad a strided 3 x 3 convolution's input, (N, C, H, W), as TensorFlow's `same` and Keras's
    `correct_pad` do: below and on the right, on the other sides only where the size is odd."""
    height, width = inputs[0].shape[-2:]
    return F.pad(inputs[0], (width % 2, 1, height % 2, 1))


def keras_layers(features: nn.Module) -> list[nn.Module]:
    """The parts of a MobileNetV2's `features` in the order of Keras's layers, an Identity for each
    layer that is no module here: the input, ZeroPadding2D and Add."""
    layers: list[nn.Module] = [nn.Identity()]
    for block in features.children():
        residual = isinstance(block, InvertedResidual)
        for module in block.modules():
            if any(True for _ in module.children()):
                continue
            if residual and isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                layers.append(nn.Identity())
            layers.append(module)
        if residual and block.use_res_connect:
            layers.append(nn.Identity())
    return layers


def load_keras_weights(layers: list[nn.Module], file: Path) -> None:
    """Copy a Keras MobileNetV2's `.weights.h5`, without the top, into `keras_layers`. The file
    numbers the layers of a class in their order."""
    numbers = {"conv2d": count(), "depthwise_conv2d": count(), "batch_normalization": count()}

    with h5py.File(file) as stored, torch.no_grad():

        def read(kind: str) -> list[Tensor]:
            number = next(numbers[kind])
            variables = stored[f"layers/{kind}_{number}/vars" if number else f"layers/{kind}/vars"]
            return [torch.from_numpy(variables[key][:]) for key in sorted(variables)]

        for layer in layers:
            if isinstance(layer, nn.Conv2d) and layer.groups == 1:
                layer.weight.copy_(read("conv2d")[0].permute(3, 2, 0, 1))
            elif isinstance(layer, nn.Conv2d):
                layer.weight.copy_(read("depthwise_conv2d")[0].permute(2, 3, 0, 1))
            elif isinstance(layer, nn.BatchNorm2d):
                ours = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
                for mine, theirs in zip(ours, read("batch_normalization"), strict=True):
                    mine.copy_(theirs)


def keras_mobilenet(weights: Path) -> tuple[nn.Module, list[nn.Module]]:
    """torchvision's MobileNetV2 without its top, which computes what Keras's does with `weights`:
    images (N, 3, H, W) in -1 ... 1 to activations (N, 1280, H / 32, W / 32); and its parts in the
    order of Keras's layers."""
    # Keras's momentum of 0.999 is the share of the old average, torch's that of the new batch
    normalized = partial(nn.BatchNorm2d, eps=1e-3, momentum=1 - 0.999)
    features = mobilenet_v2(weights=None, norm_layer=normalized).features
    layers = keras_layers(features)
    assert len(layers) == LAYER_COUNT
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2):
            layer.padding = (0, 0)
            layer.register_forward_pre_hook(pad_like_keras)
    load_keras_weights(layers, weights)
    return features, layers
