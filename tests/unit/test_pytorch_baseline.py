"""The PyTorch baseline computes the same as Keras. Skipped without torch, as in CI."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_networks import make_noise_images, set_random_weights

from tench.model.network.backbone import build_backbone
from tench.model.network.save import save_weights


def both(size: int, folder: Path) -> tuple[Any, Any, list[Any]]:
    """Keras's MobileNetV2 with random weights, torchvision's with the same, and its layers."""
    pytest.importorskip("torchvision")
    from benchmarks.pytorch_network import keras_mobilenet

    backbone = build_backbone("MobileNetV2", size)
    set_random_weights(backbone, 1)
    save_weights(backbone, folder / "backbone.weights.h5")
    return backbone, *keras_mobilenet(folder / "backbone.weights.h5")


@pytest.mark.parametrize("size", [64, 75])  # 75, 38 and 19 pixels: odd sizes are padded otherwise
def test_pooled_features_equal_those_of_keras(size: int, tmp_path: Path) -> None:
    backbone, network, _ = both(size, tmp_path)
    import torch

    scaled = (make_noise_images(size) / 127.5 - 1).astype(np.float32)
    expected = backbone(scaled, training=False).numpy().mean((1, 2))
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(scaled).permute(0, 3, 1, 2)).numpy().mean((2, 3))
    assert np.ptp(expected, axis=0).max() > 0.1  # the features differ between images
    np.testing.assert_allclose(found, expected, atol=5e-4)


def test_layers_have_the_order_of_keras(tmp_path: Path) -> None:
    backbone, _, layers = both(64, tmp_path)
    from torch import nn

    kinds = {
        "Conv2D": nn.Conv2d,
        "DepthwiseConv2D": nn.Conv2d,
        "BatchNormalization": nn.BatchNorm2d,
        "ReLU": nn.ReLU6,
    }
    expected = [kinds.get(type(layer).__name__, nn.Identity) for layer in backbone.layers]
    assert [type(layer) for layer in layers] == expected
