"""Pictures: reading any file as 8-bit RGB, and resizing."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

RGB = NDArray[np.uint8]


class UnreadableError(Exception):
    """A file that cannot be read as a picture; the message is the reason."""


def eight_bit(picture: Image.Image) -> Image.Image:
    """Scale a 16-bit grey picture (modes I;16*, I) to 8 bits; Pillow's own conversion clips it."""
    values = np.asarray(picture).astype(np.float64)
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))


def to_rgb(picture: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; transparency is laid on white."""
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
        with warnings.catch_warnings():
            # Pillow only warns at 89 million pixels and refuses at 179 million: refuse at once.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)
            with Image.open(file) as picture:
                picture.load()
                return to_rgb(ImageOps.exif_transpose(picture))
    except UnidentifiedImageError:
        raise UnreadableError("not a picture, or of a format Pillow does not know") from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise UnreadableError(f"more than {Image.MAX_IMAGE_PIXELS:,} pixels") from None
    except UnreadableError:
        raise
    except Exception as error:  # decoders raise OSError, SyntaxError, ValueError, struct.error, …
        raise UnreadableError(f"damaged: {' '.join(str(error).split())}") from None


def resize(picture: Image.Image, size: int) -> Image.Image:
    """Resize to size x size pixels, bilinear with antialiasing; the aspect ratio is not kept."""
    return picture.resize((size, size), Image.Resampling.BILINEAR)


def write_prepared(picture: Image.Image, file: Path) -> None:
    """Write an RGB picture as lossless WebP: as fast as an uncompressed BMP, at 40 % of its size.

    PNG takes twice as long to write and to read (the table is in docs/speed.md).
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, "WEBP", lossless=True, quality=0, method=0)


def read_prepared(file: Path) -> RGB:
    """Read one prepared picture as uint8 (size, size, 3)."""
    with Image.open(file) as picture:
        return np.asarray(picture)
