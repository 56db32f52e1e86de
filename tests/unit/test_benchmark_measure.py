"""What the benchmarks read of a command's output: when each line came."""

from itertools import count

import pytest

from benchmarks import measure


def test_a_line_came_when_its_first_character_did(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = (b"starts\n", b"\rembed:   0%|", b" 0/2", b"\r\xe2\x96", b"\x88 1/2\nend", b"")
    arriving, seconds = iter(contents), count(1)
    with monkeypatch.context() as patch:
        patch.setattr(measure.os, "read", lambda *_: next(arriving))
        patch.setattr(measure.time, "perf_counter", lambda: next(seconds))
        found = list(measure.read_timed_lines(0))
    assert [line for line in found if line[1]] == [
        (1, "starts"),
        (2, "embed:   0%| 0/2"),
        (5, "\u2588 1/2"),  # a part of a character is none yet
        (5, "end"),
    ]
