"""Reading images of common formats, and errors for unreadable files."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import EpsImagePlugin, Image
from small_images import draw_quarters, encode_png, png_chunk, unreadable_reason

from tench.data.decode.decoder import read_image
from tench.data.decode.resize import resize

Flip = Image.Transpose
# EXIF orientation: how an upright image is turned to be stored under it.
STORED = {
    2: Flip.FLIP_LEFT_RIGHT,
    3: Flip.ROTATE_180,
    4: Flip.FLIP_TOP_BOTTOM,
    5: Flip.TRANSPOSE,
    6: Flip.ROTATE_90,
    7: Flip.TRANSVERSE,
    8: Flip.ROTATE_270,
}
GREYS = np.array([[0, 1, 100, 127, 128, 254, 255]])


def pixels(file: Path) -> NDArray[np.uint8]:
    """The file's pixels, read as any raw image."""
    image = read_image(file)
    assert image.mode == "RGB"
    return np.asarray(image)


def gray(values: NDArray[np.int_]) -> NDArray[np.uint8]:
    """Gray values (h, w) as RGB pixels (h, w, 3)."""
    return np.repeat(values[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.tif", "a.gif", "a.ppm"])
def test_lossless_formats_give_their_pixels(tmp_path: Path, name: str) -> None:
    draw_quarters().save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    assert np.array_equal(pixels(tmp_path / name), np.asarray(draw_quarters()))


@pytest.mark.parametrize(
    "kind",
    [
        *("AVIF", "BMP", "DIB", "GIF", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM", "SGI"),
        *("TGA", "TIFF", "WEBP"),
    ],
)
def test_every_allowed_format_is_read(tmp_path: Path, kind: str) -> None:
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow has no {kind}")
    lossless = {"lossless": True} if kind == "WEBP" else {}
    draw_quarters().save(tmp_path / "a", kind, quality=95, sizes=[(48, 32)], **lossless)
    assert np.abs(pixels(tmp_path / "a").astype(int) - np.asarray(draw_quarters())).mean() < 4


def test_images_of_telephones_that_hold_a_second_one_are_read(tmp_path: Path) -> None:
    draw_quarters().save(
        tmp_path / "a.jpg", "MPO", save_all=True, append_images=[draw_quarters("L")]
    )
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "MPO"
    assert np.abs(pixels(tmp_path / "a.jpg").astype(int) - np.asarray(draw_quarters())).mean() < 4


def test_postscript_is_refused_and_ghostscript_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_quarters().save(tmp_path / "a.jpg", "EPS")
    ghostscript = tmp_path / "programs/gs"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch '{tmp_path}/started'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=os.pathsep)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # which Pillow looks for once
    assert unreadable_reason(tmp_path / "a.jpg").startswith("not an image in any of ")
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("kind", ["PDF", "PALM", "SPIDER", "DDS", "XBM"])
def test_formats_that_hold_no_photographs_are_refused(tmp_path: Path, kind: str) -> None:
    draw_quarters({"SPIDER": "F", "XBM": "1", "PALM": "1"}.get(kind, "RGB")).save(
        tmp_path / "a", kind
    )
    assert unreadable_reason(tmp_path / "a").startswith("not an image")


@pytest.mark.parametrize("name", ["two words.png", "Ünïcode 鱼.png", "a'b\"c%20$.png", "no_suffix"])
def test_any_file_name_is_read(tmp_path: Path, name: str) -> None:
    draw_quarters().save(tmp_path / name, "PNG")
    assert np.array_equal(pixels(tmp_path / name), np.asarray(draw_quarters()))


def test_extension_does_not_matter(tmp_path: Path) -> None:
    draw_quarters().save(tmp_path / "a.jpg", "PNG")
    assert np.array_equal(pixels(tmp_path / "a.jpg"), np.asarray(draw_quarters()))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_truncated_image_is_damaged(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = tmp_path / "a.jpg"
    Image.fromarray(noise).save(file, kind)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert unreadable_reason(file).startswith(("damaged: ", "not an image"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"\0" * 1000, "not an image"),
        (b"This is no image.\n", "not an image"),
        (b"\xff\xd8\xff", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert unreadable_reason(tmp_path / "a.jpg").startswith(why)


def big_tiff(strip: int, directory: int = 16) -> bytes:
    """A TIFF file with 64-bit offsets, `strip` to 7 x 1 gray pixels and `directory` to the tags."""
    tags = [(256, 7), (257, 1), (258, 8), (259, 1), (262, 1), (273, strip), (278, 1), (279, 7)]
    entries = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in tags)
    head = b"II" + struct.pack("<HHHQQ", 43, 8, 0, directory, len(tags))
    return (head + entries + bytes(8)).ljust(200, b"\0") + GREYS.astype(np.uint8).tobytes()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("place", [2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1])
def test_nonsensical_offsets_are_damage(tmp_path: Path, place: int) -> None:
    file = tmp_path / "a.tif"
    file.write_bytes(big_tiff(strip=200))
    assert np.array_equal(pixels(file), gray(GREYS))
    file.write_bytes(big_tiff(strip=place))
    assert unreadable_reason(file).startswith("damaged: ")
    file.write_bytes(big_tiff(strip=200, directory=place))
    assert unreadable_reason(file).startswith(("damaged: ", "not an image"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(9_500, 9_500), (20_000, 20_000), (65_000, 65_000)])
def test_decompression_bomb_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(size, 1, 0, bytes(100)))
    screen = struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(6)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    (tmp_path / "a.gif").write_bytes(b"GIF89a" + screen + frame + b";")
    for name in ("a.png", "a.gif"):
        assert unreadable_reason(tmp_path / name) == "more than 89,478,485 pixels"


def test_one_pixel_is_a_image(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]
    assert np.asarray(resize(read_image(tmp_path / "a.png"), 32))[31, 31].tolist() == [1, 2, 3]


def test_cmyk_jpeg_keeps_its_colors(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    draw_quarters("CMYK").save(file, quality=95)
    assert b"Adobe" in file.read_bytes()[:32]  # which means inverted
    assert np.abs(pixels(file).astype(int) - np.asarray(draw_quarters())).max() <= 8


def test_ycck_jpeg_keeps_its_colors(tmp_path: Path) -> None:
    # As Photoshop writes CMYK: three channels as YCbCr, and 2 as the last byte of Adobe's marker
    cyan, magenta, yellow, black = draw_quarters("CMYK").split()
    colors = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    inverted = [channel.point(lambda value: 255 - value) for channel in colors]
    file = tmp_path / "a.jpg"
    Image.merge("CMYK", (*inverted, black)).save(file, quality=95, subsampling=0)
    content = bytearray(file.read_bytes())
    content[content.index(b"Adobe") + 11] = 2
    file.write_bytes(content)
    assert np.abs(pixels(file).astype(int) - np.asarray(draw_quarters())).max() <= 8


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.bmp"])
def test_gray_becomes_three_equal_channels(tmp_path: Path, name: str) -> None:
    draw_quarters("L").save(tmp_path / name)
    found = pixels(tmp_path / name)
    assert np.abs(found.astype(int) - np.asarray(draw_quarters("L"))[..., None]).max() <= 8
    assert np.ptp(found, axis=2).max() <= 1


def test_black_and_white(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        Image.fromarray(np.array([[False, True, True]])).save(tmp_path / name)
        assert np.array_equal(pixels(tmp_path / name), gray(np.array([[0, 255, 255]])))


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    deep = (GREYS * 257).astype(">u2")
    size = GREYS.shape[::-1]
    (tmp_path / "gray.png").write_bytes(encode_png(size, 16, 0, b"\0" + deep.tobytes()))
    (tmp_path / "gray.pgm").write_bytes(b"P5 7 1 65535\n" + deep.tobytes())
    Image.fromarray(deep.astype("<u2")).save(tmp_path / "little.tif")
    tags = [(256, 7), (257, 1), (258, 16), (259, 1), (262, 1), (273, 200), (278, 1), (279, 14)]
    entries = b"".join(struct.pack(">HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"MM\0*" + struct.pack(">IH", 8, len(tags)) + entries + bytes(4)
    (tmp_path / "big.tif").write_bytes(head.ljust(200, b"\0") + deep.tobytes())
    rgb = np.repeat(deep[..., None], 3, axis=2)
    (tmp_path / "rgb.png").write_bytes(encode_png(size, 16, 2, b"\0" + rgb.tobytes()))
    with Image.open(tmp_path / "big.tif") as image:
        assert image.mode == "I;16B"
    for name in ("gray.png", "gray.pgm", "little.tif", "big.tif", "rgb.png"):
        assert np.array_equal(pixels(tmp_path / name), gray(GREYS)), name


def test_transparent_gray_of_sixteen_bits_is_laid_on_white(tmp_path: Path) -> None:
    rows = b"\0" + np.array([257 * 100, 257 * 7], ">u2").tobytes()
    transparent = png_chunk(b"tRNS", struct.pack(">H", 257 * 7))
    (tmp_path / "a.png").write_bytes(encode_png((2, 1), 16, 0, rows, transparent))
    assert np.array_equal(pixels(tmp_path / "a.png"), gray(np.array([[100, 255]])))


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    # Such files do not define white: it may be 1, 255 or another value
    Image.fromarray(np.array([[0, 0.25, 0.5, 1]], np.float32)).save(tmp_path / "a.tif")
    assert "floating-point" in unreadable_reason(tmp_path / "a.tif")


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.array([[[10, 20, 30, 0], [10, 20, 30, 255], [100, 100, 100, 128]]], np.uint8)
    white = [[[255, 255, 255], [10, 20, 30], [177, 177, 177]]]
    for name in ("a.png", "a.webp", "a.tif"):
        Image.fromarray(rgba).save(tmp_path / name, **({"lossless": True} if "w" in name else {}))
        assert pixels(tmp_path / name).tolist() == white, name
    Image.fromarray(rgba[..., 2:]).save(tmp_path / "la.png")
    assert np.array_equal(pixels(tmp_path / "la.png"), gray(np.array([[255, 30, 177]])))


def test_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "plain.png")
    assert pixels(tmp_path / "plain.png").tolist() == [[[255, 0, 0], [0, 255, 0], [0, 0, 255]]]
    for name in ("one.png", "one.gif"):
        image.save(tmp_path / name, transparency=1)
        assert pixels(tmp_path / name).tolist() == [[[255, 0, 0], [255] * 3, [0, 0, 255]]]
    image.save(tmp_path / "half.png", transparency=bytes([255, 128, 0]))
    assert pixels(tmp_path / "half.png").tolist() == [[[255, 0, 0], [127, 255, 127], [255] * 3]]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_many(tmp_path: Path, name: str) -> None:
    others = [Image.new("RGB", (48, 32), color) for color in ("white", "black")]
    how = {"lossless": True} if name == "a.webp" else {}
    draw_quarters().save(tmp_path / name, save_all=True, append_images=others, **how)
    with Image.open(tmp_path / name) as image:
        assert getattr(image, "n_frames", 1) == 3
    assert np.array_equal(pixels(tmp_path / name), np.asarray(draw_quarters()))


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif"])
def test_image_is_turned_upright(tmp_path: Path, name: str, mode: str) -> None:
    upright = draw_quarters(mode)
    for orientation in range(1, 9):
        stored = upright.transpose(STORED[orientation]) if orientation > 1 else upright
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored.save(tmp_path / name, exif=exif, quality=95)
        found = pixels(tmp_path / name)
        assert found.shape == (32, 48, 3), orientation
        inside = np.abs(found.astype(int) - np.asarray(upright.convert("RGB")))[4::8, 4::8]
        assert inside.max() <= 8, orientation


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
@pytest.mark.parametrize("exif", [b"junk", b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\xff\xff\xff\xff"])
def test_damaged_exif_data_does_not_spoil_a_image(tmp_path: Path, name: str, exif: bytes) -> None:
    draw_quarters().save(tmp_path / name, exif=b"Exif\0\0" + exif, quality=95)
    assert np.abs(pixels(tmp_path / name).astype(int) - np.asarray(draw_quarters())).mean() < 4
