"""Any picture file as upright 8-bit RGB. What the machine lacks is not taken for damage."""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from tench.core.errors import TenchError
from tench.core.names import inert, visible

# What may be read. Pillow knows more: PostScript, for which it starts another program; formats that
# hold no photographs; formats that are read in part alone.
ALLOWED = (
    *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA"),
    *("TIFF", "WEBP"),
)
Image.init()
FORMATS = tuple(name for name in ALLOWED if name in Image.OPEN)
# Where Pillow begins to warn of decompression bombs; it refuses only at twice as many. Its warnings
# (of damaged EXIF data too) would come once per process, without the file's name.
MAX_PIXELS = 89_478_485
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class UnreadableError(Exception):
    """A file that cannot be read as a picture; the message is the reason."""


class PixelBudget:
    """How many pixels may be decoded at a time, in all threads together: MAX_PIXELS, so that the
    memory it takes, at most 16 bytes a pixel, does not grow with the number of cores."""

    def __init__(self, pixels: int) -> None:
        self.left = pixels
        self.changed = Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for as many pixels; no more than the whole budget."""
        with self.changed:
            self.changed.wait_for(lambda: pixels <= self.left)
            self.left -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.left += pixels
                self.changed.notify_all()


BUDGET = PixelBudget(MAX_PIXELS)


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
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def upright(picture: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation says it is to be seen."""
    with suppress(ValueError, TypeError, KeyError, SyntaxError, EOFError, ZeroDivisionError):
        if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
            return picture  # Pillow's own function would copy it
        return ImageOps.exif_transpose(picture)  # damaged EXIF data says nothing of the pixels
    return picture


def refuse_special(file: Path) -> None:
    """Raise UnreadableError for a pipe, a socket or a device: to open one may wait for ever."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UnreadableError("a pipe, a socket or a device")


def read_picture(file: Path) -> Image.Image:
    """Read the first frame of a picture file as upright 8-bit RGB, whatever its extension says.

    Raises:
        UnreadableError: by what is in the file: empty, not a picture, truncated, damaged, or too
            large to decode safely; or no file at all, but a pipe or a device.
        TenchError: there is not enough memory.
        OSError: the file cannot be opened or read.
    """
    refuse_special(file)
    # By an open file: by name, Pillow 13 maps uncompressed grey TIFFs into memory and scrambles
    # those whose EXIF orientation swaps width and height.
    with file.open("rb") as content:
        try:
            return decode(content)
        except MemoryError:
            raise TenchError(
                f"{file}: not enough memory to decode it; free some, or remove the picture"
            ) from None


def decode(content: BinaryIO) -> Image.Image:
    """Decode the first frame of a picture file's content, as read_picture does.

    Raises:
        UnreadableError: as read_picture.
        MemoryError: there is not enough memory.
        OSError: the content cannot be read.
    """
    if not content.read(1):
        raise UnreadableError("the file is empty")
    content.seek(0)
    try:
        with Image.open(content, formats=FORMATS) as picture:
            pixels = picture.width * picture.height
            if pixels > MAX_PIXELS:
                raise Image.DecompressionBombError
            with BUDGET.take(pixels):
                picture.load()
                return to_rgb(upright(picture))
    except UnidentifiedImageError:
        raise UnreadableError(f"not a picture in any of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels") from None
    except (MemoryError, UnreadableError):
        raise
    # decoders raise OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        if is_machines(error):
            raise
        raise UnreadableError(f"damaged: {reason(error)}") from None


def reason(error: Exception) -> str:
    """What a decoder says, which may be words of the file, on one line and for any table."""
    return inert(visible(" ".join(str(error).split())))


def is_machines(error: Exception) -> bool:
    """Whether an error is the machine's and not the file's: Pillow's own have no number, and a
    nonsensical place to seek to has EINVAL."""
    return isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}
