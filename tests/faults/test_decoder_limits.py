"""Time and memory that a file takes, whatever its size and content: linear in it, and bounded."""

import io
import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import limited_process
import pytest
from PIL import Image
from small_images import draw_quarters

from tench.data.decode.decoder import FORMATS, MAX_BYTES
from tench.data.decode.raw_image import RawImage, load_content
from tench.data.prepare.prepare_images import prepare_image

# What parsers skip, repeat or join: fill bytes, stuffed bytes, restarts, junk, EXIF data in parts,
# and empty segments of JPEG, PNG, GIF, AVIF, JPEG 2000 and PPM files.
FILLERS = {
    "fill": b"\xff",
    "zeros": b"\0",
    "stuffed": b"\xff\0",
    "restarts": b"\xff\xd0",
    "segments": b"\xff\xe0\0\2",
    "exif": b"\xff\xe1\0\x09Exif\0\0x",
    "chunks": b"\0\0\0\0IDAT\x35\xaf\x06\x1e",
    "comments": b"!\xfe\1x\0",
    "boxes": b"\0\0\0\x08free",
    "lines": b"#\n",
}
BASE = 0.05  # seconds that any file may take: what a clock and the cores' other work blur
FEW = 2**18  # bytes of a filler
MORE = 8 * FEW


def encoded(kind: str) -> bytes:
    """The bytes of a small image's file."""
    out = io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    draw_quarters().save(out, kind, sizes=[(48, 32)], **lossless)
    return out.getvalue()


def filled(content: bytes, place: int, filler: bytes, size: int) -> bytes:
    """The file with about `size` bytes of a filler inserted at `place`."""
    return content[:place] + filler * (size // len(filler)) + content[place:]


def answers(files: list[Path]) -> list[limited_process.ReadResult]:
    """The result for each file, in one process within the limits of `open_limited_reader`."""
    requests = "".join(f"{json.dumps([str(file), 'squash'])}\n" for file in files)
    said = subprocess.run(
        [sys.executable, limited_process.__file__],
        env={**os.environ, "PYTHONPATH": str(limited_process.CHECKOUT_ROOT)},
        input=requests,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [limited_process.ReadResult(*json.loads(line)) for line in said.stdout.splitlines()]
    assert len(found) == len(files), (files[len(found)].name, said.returncode, said.stderr[-2000:])
    return found


def sparse(file: Path, content: bytes, size: int) -> Path:
    """A file that begins with `content`; the rest is a hole."""
    file.write_bytes(content)
    os.truncate(file, size)
    return file


@pytest.mark.parametrize("kind", FORMATS)
def test_time_grows_no_faster_than_the_file(kind: str, tmp_path: Path) -> None:
    content = encoded(kind)
    places = {2, 4, 8, len(content) // 2, len(content) * 3 // 4, len(content) - 2, len(content)}
    with limited_process.open_limited_reader(tmp_path) as read:
        for (name, filler), place in product(FILLERS.items(), sorted(places)):
            few, more = (
                read(filled(content, place, filler, size), "squash").seconds for size in (FEW, MORE)
            )
            assert more < 24 * few + BASE, (name, place, few, more)


@pytest.mark.parametrize("filler", FILLERS)
def test_a_large_jpeg_takes_time_linear_in_its_scan(filler: str, tmp_path: Path) -> None:
    # a decoder that is fed block by block may begin again with each
    content = encoded("JPEG")
    place = content.index(b"\xff\xda") + 12
    with limited_process.open_limited_reader(tmp_path) as read:
        few, more = (
            read(filled(content, place, FILLERS[filler], size), "squash").seconds
            for size in (2**21, 2**24)
        )
    assert more < 24 * few + BASE, (few, more)


def test_a_sparse_file_of_twenty_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    files = [
        sparse(tmp_path / f"{kind}-{end}", encoded(kind)[:end], 20 * 2**30)
        for kind in FORMATS
        for end in (20, 10**6)
    ]
    for answer in answers(files):
        assert answer.reason == f"more than {MAX_BYTES:,} bytes"
        assert answer.seconds < BASE
        assert answer.peak < 2e8
    for raw in (RawImage(files[0]), load_content(RawImage(files[0]))):
        assert prepare_image(raw, 32, "squash")[0].reason == f"more than {MAX_BYTES:,} bytes"


@pytest.mark.parametrize("kind", FORMATS)
def test_the_largest_file_is_read_or_refused_within_the_limits(kind: str, tmp_path: Path) -> None:
    content = encoded(kind)
    for end in (12, 30, len(content) // 2, len(content)):
        file = sparse(tmp_path / f"{kind}-{end}", content[:end], MAX_BYTES)
        (answer,) = answers([file])
        assert answer.peak < limited_process.MAX_BYTES
        file.unlink()


def test_usual_files_are_far_below_the_limits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    draw_quarters().save(
        tmp_path / "a.jpg", exif=exif, icc_profile=bytes(10**7), comment=b"x" * 60_000
    )
    draw_quarters().save(tmp_path / "b.webp", lossless=True)
    os.truncate(tmp_path / "b.webp", 2**28)
    assert [answer.reason for answer in answers(sorted(tmp_path.iterdir()))] == ["", ""]
