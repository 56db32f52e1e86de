"""Overlay an image with a heat map."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.data.decode.resize import RGB


def overlay_heat_map(image: RGB, heat: NDArray[np.float32]) -> Image.Image:
    """Show an image and its heat map overlay side by side.

    Args:
        image: RGB, uint8 (size, size, 3).
        heat: float32 (h, w) in [0, 1]; 1 is the strongest evidence for the class.

    Returns:
        RGB image, twice as wide as `image`.
    """
    size = image.shape[1], image.shape[0]
    smooth = Image.fromarray((heat * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    amount = np.asarray(smooth, np.float32)[..., None] / 255
    gray = image.mean(axis=2, keepdims=True) * 0.45
    warm = gray * (1 - amount) + amount * (0.35 * image + 0.65 * np.array([255, 140, 0]))
    return Image.fromarray(np.concatenate([image, warm.clip(0, 255).astype(np.uint8)], axis=1))
