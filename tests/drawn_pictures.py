"""One small picture in every way that JPEG, PNG, WebP, GIF, TIFF and BMP files come."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin
from small_pictures import png

SIZE = (61, 43)  # numbers that are easily found in a header


def noise(mode: str = "RGB") -> Image.Image:
    """Half colours that change slowly, half noise."""
    across, down = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    rgba = np.stack([across * 4, down * 5, across + down, 255 - across * 3], axis=2).astype(
        np.uint8
    )
    rng = np.random.default_rng(0)
    rgba[:, SIZE[0] // 2 :] = rng.integers(0, 256, (SIZE[1], SIZE[0] - SIZE[0] // 2, 4))
    if mode == "I;16":
        return Image.fromarray(rgba[..., 0].astype(np.uint16) * 257)
    picture = Image.fromarray(rgba)
    return picture.convert(mode) if mode in {"RGBA", "LA"} else picture.convert("RGB").convert(mode)


def written(mode: str, kind: str, **how: Any) -> bytes:
    """The bytes of a file in which Pillow writes the picture."""
    out = io.BytesIO()
    noise(mode).save(out, kind, **how)
    return out.getvalue()


def interlaced_png() -> bytes:
    """A grey PNG file in Adam7's seven passes."""
    grey = np.asarray(noise("L"))
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
        for row in grey[top::down, left::across]
    )
    return png(SIZE, 8, 0, rows, interlaced=True)


def tiled_tiff(compressed: bool) -> bytes:
    """A grey TIFF file in tiles of 32 x 32 pixels."""
    grey = np.zeros((64, 64), np.uint8)
    grey[: SIZE[1], : SIZE[0]] = np.asarray(noise("L"))
    tiles = [grey[y : y + 32, x : x + 32].tobytes() for y in (0, 32) for x in (0, 32)]
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
    places = [begin + 32 + sum(map(len, tiles[:number])) for number in range(4)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    entries += struct.pack("<HHII", 324, long, 4, begin) + struct.pack(
        "<HHII", 325, long, 4, begin + 16
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(tags) + 2) + entries + bytes(4)
    return head + struct.pack("<8I", *places, *map(len, tiles)) + b"".join(tiles)


def run_length_bmp() -> bytes:
    """A BMP file of 8 bits a pixel, run-length encoded."""
    rows = np.asarray(noise("L")) // 64
    body = (
        b"".join(b"".join(bytes([1, value]) for value in row) + b"\0\0" for row in rows[::-1])
        + b"\0\1"
    )
    colours = b"".join(bytes([n * 80, n * 60, n * 40, 0]) for n in range(4))
    head = struct.pack("<IiiHHIIiiII", 40, *SIZE, 1, 8, 1, len(body), 1, 1, 4, 4)
    begin = 14 + len(head) + len(colours)
    return b"BM" + struct.pack("<IHHI", begin + len(body), 0, 0, begin) + head + colours + body


def pages() -> dict[str, Any]:
    """What has Pillow write two more pictures: new ones, for it leaves its marks on them."""
    return {"save_all": True, "append_images": [noise().rotate(180), noise("L")]}


@cache
def kinds() -> dict[str, bytes]:
    """The bytes of each file, by a name that ends in the format."""
    return dict(every_kind())


def every_kind() -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Tench"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a picture " * 20, zip=True)
    text.add_itxt("XML:com.adobe.xmp", "<tiff:Orientation>3</tiff:Orientation>")
    for mode in ("RGB", "L", "CMYK"):
        for progressive in (False, True):
            yield f"{mode} {progressive} jpeg", written(mode, "JPEG", progressive=progressive)
    yield "turned jpeg", written("RGB", "JPEG", exif=exif, icc_profile=profile, comment=b"none")
    yield "restarted jpeg", written("RGB", "JPEG", restart_marker_blocks=2, subsampling=0)
    yield "telephone's jpeg", written("RGB", "MPO", **pages())
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
        yield f"{mode} png", written(mode, "PNG")
    yield "transparent png", written("P", "PNG", transparency=bytes(range(100)), bits=8)
    yield "described png", written("RGB", "PNG", pnginfo=text, exif=exif, icc_profile=profile)
    yield "animated png", written("RGB", "PNG", **pages())
    yield "interlaced png", interlaced_png()
    for lossless in (False, True):
        yield f"{lossless} webp", written("RGB", "WEBP", lossless=lossless)
        yield f"transparent {lossless} webp", written("RGBA", "WEBP", lossless=lossless)
        yield f"animated {lossless} webp", written("RGB", "WEBP", lossless=lossless, **pages())
    yield "described webp", written("RGB", "WEBP", exif=exif, icc_profile=profile, xmp=b"<x/>")
    yield "gif", written("P", "GIF", interlace=0)
    yield "interlaced gif", written("P", "GIF", interlace=1, transparency=3, comment=b"none")
    yield "animated gif", written("P", "GIF", **pages(), duration=10, loop=0, disposal=2)
    for compression in (
        "raw",
        "tiff_lzw",
        "tiff_adobe_deflate",
        "packbits",
        "jpeg",
        "lzma",
        "zstd",
    ):
        yield f"{compression} tiff", written("RGB", "TIFF", compression=compression)
    for mode in ("L", "P", "CMYK", "RGBA", "I;16", "F"):
        yield f"{mode} tiff", written(mode, "TIFF", exif=exif)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"{compression} tiff", written("1", "TIFF", compression=compression)
    yield "pages of tiff", written("RGB", "TIFF", **pages())
    yield "big tiff", written("RGB", "TIFF", big_tiff=True)
    yield "tiled tiff", tiled_tiff(compressed=False)
    yield "tiled deflated tiff", tiled_tiff(compressed=True)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"{mode} bmp", written(mode, "BMP")
    yield "run-length bmp", run_length_bmp()
