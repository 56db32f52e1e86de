"""Any bytes of an image: read, or refused with a reason of one line, soon and in little memory."""

import struct
import zlib
from collections.abc import Iterator

import pytest
from fuzzing import Edit, apply_edits, check_printable_line, edit_lists
from hypothesis import given
from hypothesis import strategies as st
from image_variants import IMAGE_SIZE, encode_all_kinds
from limited_process import ReadFunction, ReadResult, open_limited_reader

KINDS = encode_all_kinds()
SIGNATURE = b"\x89PNG\r\n\x1a\n"
IMAGES = st.sampled_from(list(KINDS.values()))
HOW = st.sampled_from(["squash", "crop", "pad"])
LARGE = (0, 1, 2, 255, 1023, 4096, 9459, 16_383, 16_384, 65_535, 2**24 - 1, 2**31 - 1, 2**32 - 1)
SIDES = st.integers(0, 2000) | st.sampled_from(LARGE)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadFunction]:
    """A function that reads an image; the largest time and memory are printed at the end."""
    answers = []

    def note(content: bytes, how: str) -> ReadResult:
        answers.append(function(content, how))
        return answers[-1]

    with open_limited_reader(tmp_path_factory.mktemp("fuzz")) as function:
        yield note
    seconds, peak = (max(kind) for kind in zip(*(one[1:] for one in answers), strict=True))
    refused = sum(bool(one.reason) for one in answers)
    most = f"at most {seconds:.1f} s, {peak / 1e6:.0f} MB"
    print(f"\n{len(answers)} images, {refused} refused; {most}")


def check(read: ReadFunction, content: bytes, how: str) -> None:
    """Fail unless an image of these bytes is read, or refused with a reason of one line."""
    answer = read(content, how)
    if answer.reason:
        check_printable_line(answer.reason)


def mended(content: bytes) -> bytes:
    """A PNG file's bytes with its chunks' checksums made right, as far as there are chunks."""
    if not content.startswith(SIGNATURE):
        return content
    out, place = SIGNATURE, len(SIGNATURE)
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4])
        body = content[place + 4 : end]
        out += content[place : place + 4] + body + struct.pack(">I", zlib.crc32(body))
        place = end + 4
    return out + content[place:]


def numbers(content: bytes) -> list[tuple[int, str]]:
    """Where in a header one of the sides stands, or one pixel less, and how it is written."""
    return [
        (place, form)
        for side in IMAGE_SIZE
        for number in (side, side - 1)
        for form in ("<H", ">H", "<I", ">I")
        for place in range(min(len(content), 400))
        if content[place:].startswith(struct.pack(form, number))
    ]


WITH_SIDES = st.sampled_from([(one, numbers(one)) for one in KINDS.values() if numbers(one)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_as_it_is(read: ReadFunction, kind: str) -> None:
    reason = read(KINDS[kind], "squash").reason
    assert bool(reason) == (kind == "F tiff"), reason


@given(IMAGES, edit_lists(most=2), st.booleans(), HOW)
def test_any_edits(
    read: ReadFunction, image: bytes, changes: list[Edit], mend: bool, how: str
) -> None:
    content = apply_edits(image, changes)
    check(read, mended(content) if mend else content, how)


@given(IMAGES, IMAGES, st.integers(0, 5000), st.integers(0, 5000), HOW)
def test_any_splice(
    read: ReadFunction, one: bytes, other: bytes, end: int, begin: int, how: str
) -> None:
    check(read, one[: end % (len(one) + 1)] + other[begin % (len(other) + 1) :], how)


@given(
    IMAGES,
    st.integers(0, 20_000),
    st.sampled_from([b"", b"\0", b"\xff", b"\xff\xd9"]),
    st.integers(0, 5000),
    HOW,
)
def test_any_end(
    read: ReadFunction, image: bytes, end: int, rest: bytes, count: int, how: str
) -> None:
    check(read, image[: end % (len(image) + 1)] + rest * count, how)


@given(WITH_SIDES, st.lists(st.tuples(st.integers(0, 99), SIDES), min_size=1, max_size=3), HOW)
def test_any_size(
    read: ReadFunction,
    image: tuple[bytes, list[tuple[int, str]]],
    changes: list[tuple[int, int]],
    how: str,
) -> None:
    content, places = bytearray(image[0]), image[1]
    for number, side in changes:
        place, form = places[number % len(places)]
        wide = struct.calcsize(form)
        content[place : place + wide] = struct.pack(form, side % 256**wide)
    check(read, mended(bytes(content)), how)
