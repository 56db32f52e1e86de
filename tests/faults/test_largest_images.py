"""The largest images, within the limits on time and memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from costly_images import ROTATED, encode_image, jpeg_with_scans, lossless_webp
from limited_process import open_limited_reader
from PIL import Image

from tench.data.decode.decoder import MAX_PIXELS

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def largest() -> Iterator[tuple[str, bytes]]:
    """Images of as many pixels as are read, in formats that take much memory to decode."""

    def plain(mode: str, weight: float = 1) -> Image.Image:
        side = int((MAX_PIXELS / weight) ** 0.5)
        image = Image.new("RGB", (side, side), (200, 30, 40))
        return image if mode == "RGB" else image.convert(mode)

    yield "jpeg", encode_image(plain("RGB"), "JPEG", progressive=True, subsampling=0, exif=ROTATED)
    yield "jpeg of 50 scans", jpeg_with_scans(40, plain("RGB"))
    yield "cmyk", encode_image(plain("CMYK", 1.5), "JPEG", progressive=True, exif=ROTATED)
    clear = plain("RGBA")
    clear.putalpha(100)
    yield "png", encode_image(clear, "PNG", compress_level=1, exif=ROTATED)
    deep = Image.fromarray(np.full(clear.size, 300, np.uint16))
    yield "deep png", encode_image(deep, "PNG", compress_level=1, exif=ROTATED)
    yield "tiff", encode_image(clear, "TIFF", compression="tiff_lzw", exif=ROTATED)
    yield "gif", encode_image(plain("L"), "GIF", transparency=3)
    side = int((MAX_PIXELS / 2) ** 0.5)
    yield "webp", lossless_webp(side, side)
    yield "avif", encode_image(plain("RGBA", 2), "AVIF", speed=10, subsampling="4:4:4")
    yield "jpeg 2000", encode_image(plain("RGBA", 3), "JPEG2000")


def test_the_largest_images_take_less_than_ten_seconds_and_a_gigabyte(tmp_path: Path) -> None:
    for kind, content in largest():
        with open_limited_reader(tmp_path) as read:
            answer = read(content, "squash")
        print(f"{kind}: {answer.seconds:.1f} s, {answer.peak / 1e6:.0f} MB")
        assert not answer.reason, kind
