"""Encoded images that take much time or memory to decode."""

import io

from PIL import Image
from small_images import draw_quarters

ROTATED = Image.Exif()
ROTATED[0x0112] = 6


def encode_image(image: Image.Image, kind: str, **how: object) -> bytes:
    """Encode an image in a file format of Pillow."""
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def jpeg_with_scans(more: int, image: Image.Image | None = None) -> bytes:
    """Encode a progressive JPEG and repeat its last scan `more` times."""
    content = encode_image(image or draw_quarters(), "JPEG", progressive=True, subsampling=0)
    tables = content.rindex(b"\xff\xc4", 0, content.rindex(b"\xff\xda"))
    return content[:-2] + content[tables:-2] * more + content[-2:]


def lossless_webp(width: int, height: int) -> bytes:
    """Encode a lossless WebP file of one color, in which a pixel takes no bit."""
    content = bytearray(encode_image(Image.new("RGB", (1, 1)), "WEBP", lossless=True))
    place = content.index(b"VP8L") + 9
    old = int.from_bytes(content[place : place + 4], "little")
    new = old & ~(2**28 - 1) | (height - 1) << 14 | width - 1
    content[place : place + 4] = new.to_bytes(4, "little")
    return bytes(content)
