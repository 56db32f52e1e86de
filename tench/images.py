"""Pictures: reading any file as 8-bit RGB, and resizing."""

import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

RGB = NDArray[np.uint8]

# Where Pillow begins to warn of decompression bombs; it refuses only at twice as many. Its warnings
# (of damaged EXIF data too) would come once per process, without the file's name.
MAX_PIXELS = 89_478_485
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadableError(Exception):
    """A file that cannot be read as a picture; the message is the reason."""


def eight_bit(picture: Image.Image) -> Image.Image:
    """Scale a 16-bit grey picture (modes I;16*, I) to 8 bits; Pillow's own conversion clips it.
    A value declared transparent becomes white."""
    values = np.asarray(picture).astype(np.float64)
    values[values == picture.info.get("transparency")] = 65535
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))


def to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; transparency is laid on white."""
    if picture.mode == "F":
        raise UnreadableError("floating-point pixels: what is black and white in them is not said")
    if picture.mode.startswith("I"):
        picture = eight_bit(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        return Image.alpha_composite(
            Image.new("RGBA", picture.size, (255, 255, 255, 255)), picture
        ).convert("RGB")
    return picture.convert("RGB")


def read_picture(file: Path) -> Image.Image:
    """Read the first frame of a picture file as upright 8-bit RGB, whatever its extension says.

    Raises:
        UnreadableError: empty, not a picture, truncated, damaged, or too large to decode safely.
    """
    try:
        if file.stat().st_size == 0:
            raise UnreadableError("the file is empty")
        # By an open file: by name, Pillow 13 maps uncompressed grey TIFFs into memory and scrambles
        # those whose EXIF orientation swaps width and height.
        with file.open("rb") as content, Image.open(content) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            picture.load()
            upright: Image.Image = picture
            with suppress(Exception):  # damaged EXIF data says nothing of the pixels
                upright = ImageOps.exif_transpose(picture)
            return to_rgb(upright)
    except UnidentifiedImageError:
        raise UnreadableError("not a picture, or of a format Pillow does not know") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels") from None
    except UnreadableError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, …
        raise UnreadableError(f"damaged: {' '.join(str(error).split())}") from None


def resize(picture: Image.Image, size: int) -> Image.Image:
    """Resize to size x size pixels, bicubic with antialiasing; the aspect ratio is not kept.

    Bilinear with antialiasing blurs: it costs 0.2 % of accuracy (the table is in docs/speed.md).
    """
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def write_prepared(picture: Image.Image, file: Path) -> None:
    """Write an RGB picture as lossless WebP.

    It takes 40 % of the size of BMP and three quarters of that of PNG, and is quicker to write
    and to read than PNG (the table is in docs/speed.md).
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, "WEBP", lossless=True, quality=0, method=0)


def read_prepared(file: Path) -> RGB:
    """Read one prepared picture as uint8 (size, size, 3)."""
    with Image.open(file) as picture:
        return np.asarray(picture)
