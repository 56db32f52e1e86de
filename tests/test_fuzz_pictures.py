"""Any bytes of a picture: read, or refused with a reason of one line, soon and in little memory."""

import struct
import zlib
from collections.abc import Iterator

import pytest
from drawn_pictures import SIZE, kinds
from fuzzing import Edit, check_line, edited, edits
from hypothesis import given
from hypothesis import strategies as st
from reading_apart import Answer, Read, reading_apart

KINDS = kinds()
SIGNATURE = b"\x89PNG\r\n\x1a\n"
PICTURES = st.sampled_from(list(KINDS.values()))
HOW = st.sampled_from(["squash", "crop", "pad"])
LARGE = (0, 1, 2, 255, 1023, 4096, 9459, 16_383, 16_384, 65_535, 2**24 - 1, 2**31 - 1, 2**32 - 1)
SIDES = st.integers(0, 2000) | st.sampled_from(LARGE)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Read]:
    """A function that has a picture read; at the end it is told what reading them took at most."""
    answers = []

    def note(content: bytes, how: str) -> Answer:
        answers.append(function(content, how))
        return answers[-1]

    with reading_apart(tmp_path_factory.mktemp("fuzz")) as function:
        yield note
    seconds, peak = (max(kind) for kind in zip(*(one[1:] for one in answers), strict=True))
    refused = sum(bool(one.reason) for one in answers)
    most = f"at most {seconds:.1f} s, {peak / 1e6:.0f} MB"
    print(f"\n{len(answers)} pictures, {refused} refused; {most}")


def check(read: Read, content: bytes, how: str) -> None:
    """Fail unless a picture of these bytes is read, or refused with a reason of one line."""
    answer = read(content, how)
    if answer.reason:
        check_line(answer.reason)


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
        for side in SIZE
        for number in (side, side - 1)
        for form in ("<H", ">H", "<I", ">I")
        for place in range(min(len(content), 400))
        if content[place:].startswith(struct.pack(form, number))
    ]


WITH_SIDES = st.sampled_from([(one, numbers(one)) for one in KINDS.values() if numbers(one)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_read_as_it_is(read: Read, kind: str) -> None:
    reason = read(KINDS[kind], "squash").reason
    assert bool(reason) == (kind == "F tiff"), reason


@given(PICTURES, edits(most=2), st.booleans(), HOW)
def test_any_edits(read: Read, picture: bytes, changes: list[Edit], mend: bool, how: str) -> None:
    content = edited(picture, changes)
    check(read, mended(content) if mend else content, how)


@given(PICTURES, PICTURES, st.integers(0, 5000), st.integers(0, 5000), HOW)
def test_any_splice(read: Read, one: bytes, other: bytes, end: int, begin: int, how: str) -> None:
    check(read, one[: end % (len(one) + 1)] + other[begin % (len(other) + 1) :], how)


@given(
    PICTURES,
    st.integers(0, 20_000),
    st.sampled_from([b"", b"\0", b"\xff", b"\xff\xd9"]),
    st.integers(0, 5000),
    HOW,
)
def test_any_end(read: Read, picture: bytes, end: int, rest: bytes, count: int, how: str) -> None:
    check(read, picture[: end % (len(picture) + 1)] + rest * count, how)


@given(WITH_SIDES, st.lists(st.tuples(st.integers(0, 99), SIDES), min_size=1, max_size=3), HOW)
def test_any_size(
    read: Read,
    picture: tuple[bytes, list[tuple[int, str]]],
    changes: list[tuple[int, int]],
    how: str,
) -> None:
    content, places = bytearray(picture[0]), picture[1]
    for number, side in changes:
        place, form = places[number % len(places)]
        wide = struct.calcsize(form)
        content[place : place + wide] = struct.pack(form, side % 256**wide)
    check(read, mended(bytes(content)), how)
