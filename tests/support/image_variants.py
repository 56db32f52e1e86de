"""A small image in all variants of JPEG, PNG, WebP, GIF, TIFF and BMP."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from small_images import encode_png

IMAGE_SIZE = (61, 43)  # width, height; easy to find in a header


def draw_test_image(mode: str = "RGB") -> Image.Image:
    """Draw an image: the left half a gradient, the right half noise."""
    across, down = np.meshgrid(np.arange(IMAGE_SIZE[0]), np.arange(IMAGE_SIZE[1]))
    rgba = np.stack([across * 4, down * 5, across + down, 255 - across * 3], axis=2).astype(
        np.uint8
    )
    rng = np.random.default_rng(0)
    rgba[:, IMAGE_SIZE[0] // 2 :] = rng.integers(
        0, 256, (IMAGE_SIZE[1], IMAGE_SIZE[0] - IMAGE_SIZE[0] // 2, 4)
    )
    if mode == "I;16":
        return Image.fromarray(rgba[..., 0].astype(np.uint16) * 257)
    image = Image.fromarray(rgba)
    return image.convert(mode) if mode in {"RGBA", "LA"} else image.convert("RGB").convert(mode)


def encode_image(mode: str, file_format: str, **options: Any) -> bytes:
    """Encode the image with Pillow."""
    out = io.BytesIO()
    draw_test_image(mode).save(out, file_format, **options)
    return out.getvalue()


def interlaced_png() -> bytes:
    """Encode a gray PNG file with Adam7 interlacing."""
    gray = np.asarray(draw_test_image("L"))
    passes = (
        (0, 8, 0, 8),
        (0, 8, 4, 8),
        (4, 8, 0, 4),
        (0, 4, 2, 4),
        (2, 4, 0, 2),
        (0, 2, 1, 2),
        (1, 2, 0, 1),
    )
    rows = b"".join(
        b"\0" + row.tobytes()
        for top, down, left, across in passes
        for row in gray[top::down, left::across]
    )
    return encode_png(IMAGE_SIZE, 8, 0, rows, interlaced=True)


def tiled_tiff(compressed: bool) -> bytes:
    """Encode a gray TIFF file with tiles of 32 x 32 pixels."""
    gray = np.zeros((64, 64), np.uint8)
    gray[: IMAGE_SIZE[1], : IMAGE_SIZE[0]] = np.asarray(draw_test_image("L"))
    tiles = [gray[y : y + 32, x : x + 32].tobytes() for y in (0, 32) for x in (0, 32)]
    tiles = [zlib.compress(tile) for tile in tiles] if compressed else tiles
    short, long = 3, 4
    tags = [
        (256, short, 61),
        (257, short, 43),
        (258, short, 8),
        (259, short, 8 if compressed else 1),
    ]
    tags += [(262, short, 1), (277, short, 1), (322, short, 32), (323, short, 32)]
    begin = 8 + 2 + 12 * (len(tags) + 2) + 4
    offsets = [begin + 32 + sum(map(len, tiles[:number])) for number in range(4)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    entries += struct.pack("<HHII", 324, long, 4, begin) + struct.pack(
        "<HHII", 325, long, 4, begin + 16
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) + 2) + entries + bytes(4)
    return head + struct.pack("<8I", *offsets, *map(len, tiles)) + b"".join(tiles)


def run_length_bmp() -> bytes:
    """Encode a run-length encoded BMP file with 8 bits per pixel."""
    rows = np.asarray(draw_test_image("L")) // 64
    body = (
        b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in rows[::-1])
        + b"\0\1"
    )
    colors = b"".join(bytes([n * 80, n * 60, n * 40, 0]) for n in range(4))
    head = struct.pack("<IiiHHIIiiII", 40, *IMAGE_SIZE, 1, 8, 1, len(body), 1, 1, 4, 4)
    begin = 14 + len(head) + len(colors)
    return b"BM" + struct.pack("<IHHI", begin + len(body), 0, 0, begin) + head + colors + body


def multi_page_options() -> dict[str, Any]:
    """Options for Pillow to write two more images; new ones, because saving changes them."""
    return {
        "save_all": True,
        "append_images": [draw_test_image().rotate(180), draw_test_image("L")],
    }


@cache
def encode_all_kinds() -> dict[str, bytes]:
    """All variants: a name that ends in the format, to the bytes of the file."""
    return dict(iterate_kinds())


def iterate_kinds() -> Iterator[tuple[str, bytes]]:
    """Yield the name and the bytes of each variant."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Tench"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "an image " * 20, zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<tiff:Orientation>3</tiff:Orientation>")
    for mode in ("RGB", "L", "CMYK"):
        for progressive in (False, True):
            yield f"{mode} {progressive} jpeg", encode_image(mode, "JPEG", progressive=progressive)
    yield (
        "rotated jpeg",
        encode_image("RGB", "JPEG", exif=exif, icc_profile=profile, comment=b"none"),
    )
    yield "restarted jpeg", encode_image("RGB", "JPEG", restart_marker_blocks=2, subsampling=0)
    yield "telephone's jpeg", encode_image("RGB", "MPO", **multi_page_options())
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
        yield f"{mode} png", encode_image(mode, "PNG")
    yield "transparent png", encode_image("P", "PNG", transparency=bytes(range(100)), bits=8)
    yield "described png", encode_image("RGB", "PNG", pnginfo=text, exif=exif, icc_profile=profile)
    yield "animated png", encode_image("RGB", "PNG", **multi_page_options())
    yield "interlaced png", interlaced_png()
    for lossless in (False, True):
        yield f"{lossless} webp", encode_image("RGB", "WEBP", lossless=lossless)
        yield f"transparent {lossless} webp", encode_image("RGBA", "WEBP", lossless=lossless)
        yield (
            f"animated {lossless} webp",
            encode_image("RGB", "WEBP", lossless=lossless, **multi_page_options()),
        )
    yield "described webp", encode_image("RGB", "WEBP", exif=exif, icc_profile=profile, xmp=b"<x/>")
    yield "gif", encode_image("P", "GIF", interlace=0)
    yield "interlaced gif", encode_image("P", "GIF", interlace=1, transparency=3, comment=b"none")
    yield (
        "animated gif",
        encode_image("P", "GIF", **multi_page_options(), duration=10, loop=0, disposal=2),
    )
    for compression in (
        "raw",
        "tiff_lzw",
        "tiff_adobe_deflate",
        "packbits",
        "jpeg",
        "lzma",
        "zstd",
    ):
        yield f"{compression} tiff", encode_image("RGB", "TIFF", compression=compression)
    for mode in ("L", "P", "CMYK", "RGBA", "I;16", "F"):
        yield f"{mode} tiff", encode_image(mode, "TIFF", exif=exif)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"{compression} tiff", encode_image("1", "TIFF", compression=compression)
    yield "pages of tiff", encode_image("RGB", "TIFF", **multi_page_options())
    yield "big tiff", encode_image("RGB", "TIFF", big_tiff=True)
    yield "tiled tiff", tiled_tiff(compressed=False)
    yield "tiled deflated tiff", tiled_tiff(compressed=True)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode} bmp", encode_image(mode, "BMP")
    yield "run-length bmp", run_length_bmp()
