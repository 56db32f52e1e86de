"""Images made to take a machine's time or memory, and those that only look so."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from costly_images import encode_image, jpeg_with_scans, lossless_webp
from image_variants import encode_all_kinds
from PIL import Image
from small_images import draw_quarters, encode_png, unreadable_reason

from tench.core.errors import UnreadableError
from tench.data.decode import decoder, jpeg_markers
from tench.data.decode.decoder import MAX_PIXELS, read_image
from tench.data.init.survey import read_header

pytestmark = pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")


def test_hundreds_of_scans_are_refused_and_some_are_not(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(jpeg_with_scans(0))
    usual = read_image(file).tobytes()
    file.write_bytes(jpeg_with_scans(40))
    assert read_image(file).tobytes() == usual
    for content in (jpeg_with_scans(50), jpeg_with_scans(1000)):
        file.write_bytes(content)
        assert unreadable_reason(file).startswith("more than 50 scans")


def test_scans_of_what_follows_or_lies_in_an_image_do_not_count(tmp_path: Path) -> None:
    file, scan = tmp_path / "a.jpg", b"\xff\xda\0\x02"
    file.write_bytes(encode_image(draw_quarters(), "JPEG", comment=scan * 100) + scan * 100)
    assert read_image(file).size == (48, 32)


def test_scans_of_all_kinds_of_jpeg_are_counted() -> None:
    for kind, count in (("RGB False jpeg", 1), ("restarted jpeg", 1), ("RGB True jpeg", 10)):
        found = list(jpeg_markers.markers(io.BytesIO(encode_all_kinds()[kind])))
        assert (found.count(jpeg_markers.SOS), found[-1]) == (count, jpeg_markers.EOI)


def test_a_line_of_millions_of_pixels_is_refused(tmp_path: Path) -> None:
    for size in ((1_000_001, 1), (1, 1_000_001), (MAX_PIXELS, 1)):
        (tmp_path / "a.png").write_bytes(encode_png(size, 1, 0, bytes(100)))
        assert unreadable_reason(tmp_path / "a.png") == "more than 1,000,000 pixels per side"
        assert read_header(tmp_path / "a.png").reason == "more than 1,000,000 pixels per side"


def test_a_webp_image_counts_twice(tmp_path: Path) -> None:
    (tmp_path / "a.webp").write_bytes(lossless_webp(100, 70))
    assert read_image(tmp_path / "a.webp").size == (100, 70)
    (tmp_path / "a.webp").write_bytes(lossless_webp(9459, 9459))
    assert (tmp_path / "a.webp").stat().st_size < 50
    for said in (unreadable_reason(tmp_path / "a.webp"), read_header(tmp_path / "a.webp").reason):
        assert said == "more than 44,739,242 pixels"


def test_an_icon_with_a_larger_image_than_declared(tmp_path: Path) -> None:
    inside = encode_png((9_500, 9_500), 1, 0, bytes(100))
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inside), 22)
    (tmp_path / "a.ico").write_bytes(head + inside)
    assert unreadable_reason(tmp_path / "a.ico") == "more than 89,478,485 pixels"


@pytest.mark.parametrize("rows", [1, 7])
def test_an_image_converted_some_rows_at_a_time_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    for kind, content in encode_all_kinds().items():
        if kind == "F tiff":
            continue
        (tmp_path / "a").write_bytes(content)
        with monkeypatch.context() as patch:
            whole = np.asarray(read_image(tmp_path / "a"))
            patch.setattr(decoder, "STRIP_PIXELS", rows * max(whole.shape))
            assert np.array_equal(np.asarray(read_image(tmp_path / "a")), whole), kind


def test_an_error_of_a_decoder_is_reported_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: Image.Image) -> None:
        raise SyntaxError("bad\nchunk \x1b[31m")

    draw_quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(decoder, "to_rgb", fail)
    with pytest.raises(UnreadableError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value) == r"damaged: bad chunk \x1b[31m"


def test_markers_are_found_wherever_a_block_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [content for kind, content in encode_all_kinds().items() if "jpeg" in kind]
    contents += [content[:2] + b"\xff" * 9 + content[2:] for content in contents]
    whole = [list(jpeg_markers.markers(io.BytesIO(content))) for content in contents]
    for size in (4, 5, 7, 64, 1000):
        monkeypatch.setattr(jpeg_markers, "BLOCK", size)
        assert [list(jpeg_markers.markers(io.BytesIO(content))) for content in contents] == whole


def test_a_header_of_hundreds_of_segments_is_refused(tmp_path: Path) -> None:
    content, exif = (
        encode_image(draw_quarters(), "JPEG"),
        b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527),
    )
    (tmp_path / "a.jpg").write_bytes(content[:2] + exif * 200 + content[2:])
    assert read_image(tmp_path / "a.jpg").size == (48, 32)
    (tmp_path / "a.jpg").write_bytes(content[:2] + exif * 400 + content[2:])
    for said in (unreadable_reason(tmp_path / "a.jpg"), read_header(tmp_path / "a.jpg").reason):
        assert said == "damaged: more than 300 segments before the image"
