"""Random edits of bytes, and checks of error messages, for the fuzz tests."""

from functools import reduce

from hypothesis import strategies as st

from tench.core.names import is_control_character
from tench.data.ingest.layouts import LAYOUT_HELP

MAX_LINE_CHARS = 3000  # a line may contain two paths

Edit = tuple[str, int, int, bytes]  # kind, offset, bytes affected, bytes written

EDIT_OFFSETS = st.integers(0, 63) | st.integers(0, 2**17)  # headers matter most


def split_words(text: str) -> list[str]:
    """Split a text at double spaces."""
    return text.split("  ")


INTERESTING_NUMBERS = st.sampled_from(
    [
        bytes.fromhex(digits)
        for digits in split_words("00  01  0000  0001  0100  8000  0080  ffff  7fffffff  ffffffff")
    ]
)


def edit_lists(
    most: int = 6, pieces: st.SearchStrategy[bytes] | None = None
) -> st.SearchStrategy[list[Edit]]:
    """Strategy of lists of edits, which write `pieces`, or random bytes and edge numbers."""
    kinds = st.sampled_from(["flip", "put", "insert", "drop", "repeat", "swap", "end"])
    content = st.binary(min_size=1, max_size=8) | INTERESTING_NUMBERS
    edit = st.tuples(
        kinds,
        EDIT_OFFSETS,
        st.integers(1, 8) | st.integers(1, 2000),
        content if pieces is None else pieces,
    )
    return st.lists(edit, min_size=1, max_size=most)


def apply_edits(content: bytes, changes: list[Edit]) -> bytes:
    """Apply edits in order."""
    return reduce(apply_edit, changes, content)


def apply_edit(content: bytes, edit: Edit) -> bytes:
    """Apply an edit, at its offset modulo the length."""
    kind, where, count, piece = edit
    where %= len(content) + 1
    head, those, tail = content[:where], content[where : where + count], content[where + count :]
    flipped = bytes(byte ^ 1 << count % 8 for byte in those[:1])
    return {
        "flip": head + flipped + content[where + 1 :],
        "put": head + piece + content[where + len(piece) :],
        "insert": head + piece + content[where:],
        "drop": head + tail,
        "repeat": head + those * 2 + tail,
        "swap": head + tail[:count] + those + tail[count:],
        "end": head,
    }[kind]


def check_printable_line(line: str) -> None:
    """Fail unless a terminal shows the text as one line."""
    assert line
    assert len(line) <= MAX_LINE_CHARS, line[:MAX_LINE_CHARS]
    assert not any(map(is_control_character, line)), repr(line)
    line.encode()


def check_error_message(error: Exception) -> str:
    """Fail unless an error about an image folder is one line, the help on layouts aside.

    Returns:
        The line.
    """
    line = str(error).removesuffix(f"\n{LAYOUT_HELP}")
    check_printable_line(line)
    return line
