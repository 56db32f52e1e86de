"""Resize images to a square, and encode them without loss."""

import hashlib
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tench.core.names import ResizeMode

PAD_COLOR = (127, 127, 127)  # gray: about 0 after the model scales it
RGB = NDArray[np.uint8]


def resize(image: Image.Image, size: int, how: ResizeMode = "squash") -> Image.Image:
    """Resize an RGB image to size x size pixels, bicubic with antialiasing.

    Bilinear with antialiasing blurs: it costs 0.2 % of accuracy (see docs/speed.md).

    Args:
        image: RGB image of any size.
        size: width and height of the result, in pixels.
        how: squash (changes the aspect ratio), crop (the largest central square) or pad (the whole
            image, centered on a gray square).
    """
    bicubic = Image.Resampling.BICUBIC
    if how == "crop":
        return ImageOps.fit(image, (size, size), bicubic)
    if how == "pad":
        width, height, left, top = pad_box(*image.size, size)
        square = Image.new("RGB", (size, size), PAD_COLOR)
        square.paste(image.resize((width, height), bicubic), (left, top))
        return square
    return image.resize((size, size), bicubic)


def pad_box(width: int, height: int, size: int) -> tuple[int, int, int, int]:
    """Width, height, left and top, in pixels, of a padded image in a square of size x size.

    The model card contains this source code, since ImageOps.pad of Pillow rounds differently.
    """
    longer = max(width, height)
    wide, high = (max(1, round(side * size / longer)) for side in (width, height))
    return wide, high, (size - wide) // 2, (size - high) // 2


def to_webp(image: Image.Image) -> bytes:
    """Encode an RGB image as lossless WebP.

    The result has 40 % of the size of BMP and 75 % of PNG, and is faster to write and read than PNG
    (see docs/speed.md).
    """
    out = io.BytesIO()
    image.save(out, "WEBP", lossless=True, quality=0, method=0)
    return out.getvalue()


def pixel_digest(image: Image.Image) -> str:
    """SHA-256 of an image's mode, size and pixels."""
    header = f"{image.mode} {image.width} {image.height}\n".encode()
    return hashlib.sha256(header + image.tobytes()).hexdigest()
