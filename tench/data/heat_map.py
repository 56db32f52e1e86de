"""An image beside itself under a heat map, for the eye."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.data.decode.resize import RGB


def overlay_heat_map(image: RGB, heat: NDArray[np.float32]) -> Image.Image:
    """An image beside itself under its heat map: what is warm and bright spoke for the class.

    Args:
        image: uint8 (size, size, 3).
        heat: (h, w) in 0 ... 1.

    Returns:
        RGB, twice as wide as the image.
    """
    size = image.shape[1], image.shape[0]
    smooth = Image.fromarray((heat * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    amount = np.asarray(smooth, np.float32)[..., None] / 255
    gray = image.mean(axis=2, keepdims=True) * 0.45
    warm = gray * (1 - amount) + amount * (0.35 * image + 0.65 * np.array([255, 140, 0]))
    return Image.fromarray(np.concatenate([image, warm.clip(0, 255).astype(np.uint8)], axis=1))
