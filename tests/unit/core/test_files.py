"""Atomic writes, and round trips of JSON and CSV."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tench.core.files import atomic_file, read_csv, read_json, write_csv, write_json, write_text

ROWS = [["a", "1"], ["two\nlines", 'a "quoted", part'], ["鱼 é", "-"]]


def failing_rows() -> Iterator[list[str]]:
    """A row, then an error."""
    yield ["a", "1"]
    raise RuntimeError


def interrupted(file: Path) -> None:
    """Write half a file, then raise."""
    with atomic_file(file) as part:
        part.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt


@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize(
    ("write", "error"),
    [
        (interrupted, KeyboardInterrupt),
        (lambda file: write_csv(("name", "count"), failing_rows(), file), RuntimeError),
        (lambda file: write_json({"loss": float("nan")}, file), ValueError),
        (lambda file: write_json({"loss": [float("inf")]}, file), ValueError),
        (lambda file: write_text("\ud800", file), UnicodeEncodeError),
    ],
)
def test_a_failed_write_leaves_only_the_old_file(
    tmp_path: Path, write: Callable[[Path], None], error: type[BaseException], exists: bool
) -> None:
    file = tmp_path / "some" / "file.txt"
    if exists:
        write_text("old", file)
    with pytest.raises(error):
        write(file)
    assert not exists or file.read_text(encoding="utf-8") == "old"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file] * exists


def test_a_file_gets_its_final_name_when_complete(tmp_path: Path) -> None:
    file = tmp_path / "new" / "classifier.keras"
    with atomic_file(file) as part:
        part.write_bytes(b"content")
        assert part.suffix == file.suffix  # libraries choose the format by it
        assert not file.exists()
    assert file.read_bytes() == b"content"
    assert list(file.parent.iterdir()) == [file]


def test_the_partial_file_of_a_killed_writer_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".part-a.json").write_text('{"half of something longer": [1, 2, ')
    write_json([1], tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == [1]
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]


def test_json_and_csv_round_trip(tmp_path: Path) -> None:
    write_json({"é 鱼": [1, 0.1, None, "a\n"]}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"é 鱼": [1, 0.1, None, "a\n"]}
    assert "é 鱼" in (tmp_path / "a.json").read_text(encoding="utf-8")
    write_csv(("name", "count"), ROWS, tmp_path / "a.csv")
    assert [list(row.values()) for row in read_csv(tmp_path / "a.csv")] == ROWS
    for name in ("a.json", "a.csv"):  # equal bytes on every system
        assert b"\r" not in (tmp_path / name).read_bytes()
