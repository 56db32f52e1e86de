"""Any image file as upright 8-bit RGB. What the machine lacks is not taken for damage."""

import errno
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice, takewhile
from pathlib import Path
from threading import Condition
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from tench.core.errors import TenchError
from tench.core.names import escape_formula, printable

# What may be read. Pillow knows more: PostScript, for which it starts another program; formats that
# hold no photographs; formats that are read in part alone.
ALLOWED_FORMATS = (
    *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI", "TGA"),
    *("TIFF", "WEBP"),
)
Image.init()
FORMATS = tuple(name for name in ALLOWED_FORMATS if name in Image.OPEN)
MAX_PIXELS = 89_478_485
# Pillow refuses at twice as many as this, in images within images too, such as icons.
Image.MAX_IMAGE_PIXELS = -(-MAX_PIXELS // 2)
# Pillow's warnings (of damaged EXIF data too) would come once per process, without the file's name.
warnings.filterwarnings("ignore", module="PIL")
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# Decoders that take so many times as much memory as the others: their pixels count so often.
DECODE_COST = {"AVIF": 2.0, "JPEG2000": 3.0, "WEBP": 2.0}
CMYK_COST = 1.5  # a progressive JPEG's coefficients, before any pixel
# To resize an image takes memory by its sides too: 32 bytes a pixel of the longer one.
MAX_SIDE = 1_000_000
# Of a JPEG file; ten are usual. Each may be a hundred bytes, and goes over all pixels once.
MAX_SCANS = 50
# Limits on the file itself. The largest image that is decoded fills 0.7 GB, uncompressed.
MAX_BYTES = 2**30
TOO_LARGE = f"more than {MAX_BYTES:,} bytes"
MAX_WHOLE = 2**28  # bytes, of a format that Pillow reads into memory in one piece: AVIF, WebP
MAX_READS = 100_000  # of a header, which usually takes a hundred
READS_PER_PIXEL = 4  # of a run-length encoded BMP, which takes the most
# Of a JPEG file, before its first scan. Pillow appends each of EXIF data to all before it.
MAX_SEGMENTS = 300
# Between two JPEG segments; libjpeg reads them all again for each block that it is fed.
FILL = b"\xff" * 4096
# A JPEG marker and its segment's length. No + after 0xFF: it would be quadratic in a run of them.
JPEG_MARKER = re.compile(rb"\xff(?:(\xd9)|([\x02-\xcf\xda-\xfe])(..))", re.DOTALL)
EOI, SOS = b"\xd9", b"\xda"
BLOCK = 2**16  # bytes of a JPEG file searched at a time
STRIP_PIXELS = 2**22  # pixels converted at a time
# How an image is turned upright, by its EXIF orientation.
EXIF_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableError(Exception):
    """A file that cannot be read as an image; the message is the reason."""


class PixelBudget:
    """How many pixels may be decoded at a time, in all threads together: MAX_PIXELS, so that the
    memory it takes, at most 10 bytes a pixel, does not grow with the number of cores."""

    def __init__(self, pixels: int) -> None:
        self.left: float = pixels
        self.changed = Condition()

    @contextmanager
    def take(self, pixels: float) -> Iterator[None]:
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


PIXEL_BUDGET = PixelBudget(MAX_PIXELS)


def decode_cost(image: Image.Image) -> float:
    """The pixels of an image that is not yet decoded, weighed by the memory they take.

    Raises:
        UnreadableError: they are too many.
    """
    each = max(DECODE_COST.get(str(image.format), 1), CMYK_COST if image.mode == "CMYK" else 1)
    pixels = image.width * image.height
    if pixels * each > MAX_PIXELS:
        raise UnreadableError(f"more than {int(MAX_PIXELS / each):,} pixels")
    if max(image.size) > MAX_SIDE:
        raise UnreadableError(f"more than {MAX_SIDE:,} pixels a side")
    return pixels * each


def markers(content: BinaryIO) -> Iterator[bytes]:
    """The second byte of every marker of a JPEG file's first image, from behind SOI to EOI (more
    images may follow, or a film). Takes linear time. UnreadableError for a long run of 0xFF."""
    start = 2
    while True:
        content.seek(start)
        block = content.read(BLOCK)
        place = 0
        while True:
            found = JPEG_MARKER.search(block, place)
            if FILL in block[place : found.start() if found else BLOCK]:
                raise UnreadableError(f"damaged: more than {len(FILL):,} bytes 0xFF in a row")
            if not found:
                break
            if found[1]:
                yield EOI
                return
            yield found[2]
            place = found.end() - 2 + int.from_bytes(found[3])
        if len(block) < BLOCK:
            return
        start += max(place, BLOCK - 3)  # three bytes may begin a marker and its length


def check_jpeg_scans(image: Image.Image, content: BinaryIO) -> None:
    """Raise UnreadableError if a JPEG file has so many scans that decoding it takes minutes."""
    if image.format in {"JPEG", "MPO"}:
        place = content.tell()
        scans = (kind for kind in markers(content) if kind == SOS)
        if next(islice(scans, MAX_SCANS, None), None):
            raise UnreadableError(f"more than {MAX_SCANS} scans, each of which goes over all of it")
        content.seek(place)


def check_segments(content: BinaryIO) -> None:
    """Raise UnreadableError if a JPEG header has so many segments that Pillow takes minutes."""
    content.seek(0)
    if content.read(3) == b"\xff\xd8\xff":
        header = takewhile(lambda kind: kind != SOS, markers(content))
        if next(islice(header, MAX_SEGMENTS, None), None):
            raise UnreadableError(f"damaged: more than {MAX_SEGMENTS:,} segments before the image")


class Metered:
    """A file that allows a limited number of reads, of which Pillow may need one a byte."""

    def __init__(self, content: BinaryIO, size: int) -> None:
        self.content, self.size, self.reads = content, size, MAX_READS

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes, or all. UnreadableError if that is too often or too much."""
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
    """Open an image file without decoding it. UnreadableError if it is empty, too large, or its
    header has no end; and what Pillow raises."""
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
    """Scale a 16-bit gray image (modes I;16*, I) to 8 bits; Pillow's own conversion clips it.
    A value declared transparent becomes white."""
    values = np.asarray(image).astype(np.float64)
    values[values == image.info.get("transparency")] = 65535
    return Image.fromarray((values.clip(0, 65535) / 257).round().astype(np.uint8))


def strip_to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode but F to RGB; transparency is laid on white."""
    if image.mode.startswith("I"):
        image = to_eight_bit(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any Pillow mode to RGB; transparency is laid on white. Many rows at a time: what lies
    between takes several times the memory of the whole."""
    if image.mode == "F":
        raise UnreadableError("floating-point pixels: what is black and white in them is not said")
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    rgb = Image.new("RGB", image.size)
    rows = max(1, STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        end = min(top + rows, image.height)
        rgb.paste(strip_to_rgb(image.crop((0, top, image.width, end))), (0, top))
    return rgb


def exif_transpose(image: Image.Image) -> Image.Transpose | None:
    """How the image's EXIF orientation says it is to be turned; damaged data says nothing."""
    with suppress(ValueError, TypeError, KeyError, SyntaxError, EOFError, ZeroDivisionError):
        return EXIF_TRANSPOSES.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return None


def check_regular_file(file: Path) -> None:
    """Raise UnreadableError for a pipe, a socket or a device: to open one may wait for ever."""
    if file.exists() and not (file.is_file() or file.is_dir()):
        raise UnreadableError("a pipe, a socket or a device")


def read_image(file: Path) -> Image.Image:
    """Read the first frame of an image file as upright 8-bit RGB, whatever its extension says.

    Raises:
        UnreadableError: by what is in the file: empty, not an image, truncated, damaged, or too
            large to decode safely; or no file at all, but a pipe or a device.
        TenchError: there is not enough memory.
        OSError: the file cannot be opened or read.
    """
    check_regular_file(file)
    # By an open file: by name, Pillow 13 maps uncompressed gray TIFFs into memory and scrambles
    # those whose EXIF orientation swaps width and height.
    with file.open("rb") as content:
        try:
            return decode_image(content)
        except MemoryError:
            raise TenchError(
                f"{file}: not enough memory to decode it; free some, or remove the image"
            ) from None


def decode_image(content: BinaryIO) -> Image.Image:
    """Decode the first frame of an image file's content, as read_image does.

    Raises:
        UnreadableError: as read_image.
        MemoryError: there is not enough memory.
        OSError: the content cannot be read.
    """
    try:
        with opened(content) as image:
            check_jpeg_scans(image, content)
            with PIXEL_BUDGET.take(decode_cost(image)):
                image.load()
                turn = exif_transpose(image)
                rgb = to_rgb(image)
                if turn is None:
                    return rgb
                if rgb is not image:
                    image.close()  # whose pixels would lie beside those of two others
                return rgb.transpose(turn)
    except UnidentifiedImageError:
        raise UnreadableError(f"not an image in any of {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError:
        raise UnreadableError(f"more than {MAX_PIXELS:,} pixels") from None
    except (MemoryError, UnreadableError):
        raise
    # decoders raise OSError, SyntaxError, ValueError, struct.error, …
    except Exception as error:
        if is_system_error(error):
            raise
        raise UnreadableError(f"damaged: {format_decoder_error(error)}") from None


def format_decoder_error(error: Exception) -> str:
    """What a decoder says, which may be words of the file, on one line and for any table."""
    return escape_formula(printable(" ".join(str(error).split())))


def is_system_error(error: Exception) -> bool:
    """Whether an error is the machine's and not the file's: Pillow's own have no number, and a
    nonsensical place to seek to has EINVAL."""
    return isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}
