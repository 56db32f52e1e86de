"""Decode any image file as upright 8-bit RGB. System errors are not reported as damage."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tench.core.errors import TenchError, UnreadableError
from tench.core.names import printable
from tench.data.decode.jpeg_markers import check_jpeg_scans, check_segments

# Not all formats of Pillow: PostScript starts another program, and others contain no photographs or
# are only partly supported.
ALLOWED_FORMATS = (
    *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA"),
    *("TIFF", "WEBP"),
)
Image.init()
FORMATS = tuple(name for name in ALLOWED_FORMATS if name in Image.OPEN)
MAX_PIXELS = 89_478_485
# Pillow refuses images with twice as many pixels, also within others, such as icons.
Image.MAX_IMAGE_PIXELS = -(-MAX_PIXELS // 2)
# Pillow warns only once per process, and without the file name.
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Memory of some decoders per pixel, relative to the others.
DECODE_COST = {"AVIF": 2.0, "JPEG2000": 3.0, "WEBP": 2.0}
CMYK_COST = 1.5  # for the coefficients of a progressive JPEG
# Resizing takes 32 bytes per pixel of the longer side.
MAX_SIDE = 1_000_000
# The largest allowed image has 0.7 GB, uncompressed.
MAX_BYTES = 2**30
TOO_LARGE = f"more than {MAX_BYTES:,} bytes"
MAX_WHOLE = 2**28  # bytes, in formats that Pillow reads into memory as a whole: AVIF, WebP
MAX_READS = 100_000  # of a header; a hundred are usual
READS_PER_PIXEL = 4  # of a run-length encoded BMP, the maximum of all formats
STRIP_PIXELS = 2**22  # pixels converted at a time
# Transposition that makes an image upright, by its EXIF orientation.
EXIF_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class PixelBudget:
    """A limit on the pixels that all threads decode at a time.

    It keeps memory, at most 10 bytes per pixel, independent of the number of cores.
    """

    def __init__(self, pixels: int) -> None:
        self.left: float = pixels
        self.changed = Condition()

    @contextmanager
    def acquire(self, pixels: float) -> Iterator[None]:
        """Wait until this many pixels of the budget are free, and use them in the block."""
        with self.changed:
            self.changed.wait_for(lambda: pixels <= self.left)
            self.left -= pixels
        try:
            yield
        finally:
            with self.changed:
                self.left += pixels
                self.changed.notify_all()


PIXEL_BUDGET = PixelBudget(MAX_PIXELS)


def decode_cost(image: Image.Image) -> float:
    """Number of pixels of an image, weighted by the memory that decoding takes per pixel.

    Raises:
        UnreadableError: the image is too large.
    """
    cost = max(DECODE_COST.get(str(image.format), 1), CMYK_COST if image.mode == "CMYK" else 1)
    pixels = image.width * image.height
    if pixels * cost > MAX_PIXELS:
        raise UnreadableError(f"more than {int(MAX_PIXELS / cost):,} pixels")
    if max(image.size) > MAX_SIDE:
        raise UnreadableError(f"more than {MAX_SIDE:,} pixels per side")
    return pixels * cost


class Metered:
    """A file with a limited number of reads: some parsers of Pillow read single bytes."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self.content, self.size, self.reads = content, size, MAX_READS

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all. Raises UnreadableError beyond the limits."""
        self.reads -= 1
        if self.reads < 0:
            raise UnreadableError(f"damaged: no image within {MAX_READS:,} reads of the file")
        if size < 0 and self.size > MAX_WHOLE:
            raise UnreadableError(f"more than {MAX_WHOLE:,} bytes in this format")
        return self.content.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.content, name)


@contextmanager
def opened(content: BinaryIO) -> Iterator[Image.Image]:
    """Open an image file without decoding it.

    Raises UnreadableError if it is empty or too large, or its header has no end, and the errors of
    Pillow.
    """
    size = content.seek(0, os.SEEK_END)
    if not size:
        raise UnreadableError("the file is empty")
    if size > MAX_BYTES:
        raise UnreadableError(TOO_LARGE)
    check_segments(content)
    metered = Metered(content, size)
    with Image.open(cast("BinaryIO", metered), formats=FORMATS) as image:
        metered.reads = MAX_READS + READS_PER_PIXEL * image.width * image.height
        yield image


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Scale a 16-bit gray image (modes I;16*, I) to 8 bits; Pillow's conversion would clip it.

    The transparent value becomes white.
    """
    values = np.asarray(image).astype(np.float64)
    values[values == image.info.get("transparency")] = 65535
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))


def strip_to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode but F to RGB, on white where it is transparent."""
    if image.mode.startswith("I"):
        image = to_eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB, on white where it is transparent.

    It works in strips, since the intermediate images take several times the memory of the result.
    """
    if image.mode == "F":
        raise UnreadableError("floating-point pixels: their range is unknown")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    rgb = Image.new("RGB", image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        end = min(top + rows, image.height)
        rgb.paste(strip_to_rgb(image.crop((0, top, image.width, end))), (0, top))
    return rgb


def exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """Transposition for the EXIF orientation of an image; None without valid EXIF data."""
    with suppress(ValueError, TypeError, KeyError, SyntaxError, EOFError, ZeroDivisionError):
        return EXIF_TRANSPOSES.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return None


def check_regular_file(file: Path) -> None:
    """Raise UnreadableError for a pipe, a socket or a device: opening one may wait forever."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UnreadableError("a pipe, a socket or a device")


def read_image(file: Path) -> Image.Image:
    """Read the first frame of an image file as upright 8-bit RGB, whatever its extension.

    Raises:
        UnreadableError: the file is empty, not an image, truncated, damaged, too large to decode
            safely, or a pipe or device.
        TenchError: not enough memory.
        OSError: the file cannot be opened or read.
    """
    check_regular_file(file)
    # Pass an open file: given a name, Pillow 13 memory-maps uncompressed gray TIFFs, and scrambles
    # those whose EXIF orientation swaps width and height.
    with file.open("rb") as content:
        try:
            return decode_image(content)
        except MemoryError:
            raise TenchError(
                f"{file}: not enough memory to decode this image; free some, or remove the image"
            ) from None


def decode_image(content: BinaryIO) -> Image.Image:
    """Decode the first frame of the content of an image file, as `read_image` does.

    Raises:
        UnreadableError: as `read_image`.
        MemoryError: not enough memory.
        OSError: the content cannot be read.
    """
    try:
        with opened(content) as image:
            check_jpeg_scans(image, content)
            with PIXEL_BUDGET.acquire(decode_cost(image)):
                image.load()
                transposition = exif_transpose(image)
                rgb = to_rgb(image)
                if transposition is None:
                    return rgb
                if rgb is not image:
                    image.close()  # free its pixels before the next copy
                return rgb.transpose(transposition)
    except UnidentifiedImageError:
        raise UnreadableError(f"not an image in any of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels") from None
    except (MemoryError, UnreadableError):
        raise
    # Decoders raise OSError, SyntaxError, ValueError, struct.error, and others.
    except Exception as error:
        if is_system_error(error):
            raise
        raise UnreadableError(f"damaged: {format_decoder_error(error)}") from None


def format_decoder_error(error: Exception) -> str:
    """Message of a decoder on one line; it may contain text from the file."""
    return printable(" ".join(str(error).split()))


def is_system_error(error: Exception) -> bool:
    """Whether an error comes from the system and not from the file.

    Errors of Pillow have no errno, and seeking to an invalid position has EINVAL.
    """
    return isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}
