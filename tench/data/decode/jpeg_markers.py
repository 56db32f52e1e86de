"""Walk the markers of a JPEG file, and refuse files that take Pillow minutes."""

import re
from collections.abc import Iterator
from itertools import islice, takewhile
from typing import BinaryIO

from PIL import Image

from tench.core.errors import UnreadableError

EOI, SOS = b"\xd9", b"\xda"
# Of a JPEG file; ten are usual. A scan of a hundred bytes may cover all pixels.
MAX_SCANS = 50
# Of a JPEG file, before its first scan. Pillow joins EXIF segments in quadratic time.
MAX_SEGMENTS = 300
# Between two JPEG segments; libjpeg rereads all of it with every block of input.
FILL = b"\xff" * 4096
# A JPEG marker and the length of its segment. A + after 0xFF would take quadratic time.
JPEG_MARKER = re.compile(rb"\xff(?:(\xd9)|([\x02-\xcf\xda-\xfe])(..))", re.DOTALL)
BLOCK = 2**16  # bytes of a JPEG file searched at a time


def markers(content: BinaryIO) -> Iterator[bytes]:
    """Yield the second byte of each marker in the first image of a JPEG file, from SOI to EOI.

    Takes linear time. Raises UnreadableError for a long run of 0xFF.
    """
    start = 2
    while True:
        content.seek(start)
        block = content.read(BLOCK)
        offset = 0
        while True:
            match = JPEG_MARKER.search(block, offset)
            if FILL in block[offset : match.start() if match else BLOCK]:
                raise UnreadableError(f"damaged: more than {len(FILL):,} bytes 0xFF in a row")
            if not match:
                break
            if match[1]:
                yield EOI
                return
            yield match[2]
            offset = match.end() - 2 + int.from_bytes(match[3])
        if len(block) < BLOCK:
            return
        start += max(offset, BLOCK - 3)  # the last three bytes may start a marker


def check_jpeg_scans(image: Image.Image, content: BinaryIO) -> None:
    """Raise UnreadableError if a JPEG file has so many scans that decoding takes minutes."""
    if image.format in {"JPEG", "MPO"}:
        position = content.tell()
        scans = (kind for kind in markers(content) if kind == SOS)
        if next(islice(scans, MAX_SCANS, None), None):
            raise UnreadableError(
                f"more than {MAX_SCANS} scans, each of which may cover all pixels"
            )
        content.seek(position)


def check_segments(content: BinaryIO) -> None:
    """Raise UnreadableError if a JPEG header has so many segments that Pillow takes minutes."""
    content.seek(0)
    if content.read(3) == b"\xff\xd8\xff":
        header = takewhile(lambda kind: kind != SOS, markers(content))
        if next(islice(header, MAX_SEGMENTS, None), None):
            raise UnreadableError(f"damaged: more than {MAX_SEGMENTS:,} segments before the image")
