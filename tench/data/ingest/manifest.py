"""The CSV manifest: path, label, split and group of each image."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import is_control_character, is_ignored_by_dvc, printable
from tench.data.ingest.file_rules import (
    MAX_PATH_BYTES,
    check_encodable,
    check_file_name,
    check_not_link,
)
from tench.data.ingest.layouts import REQUIRED_COLUMNS, SPLIT_WORDS, layout_error, split_from_word

MANIFEST_COLUMNS = (*REQUIRED_COLUMNS, "split", "group")  # other columns are ignored
MAX_BYTES = 2**28  # of the file, which is read into memory


class ManifestEntry(NamedTuple):
    """One line of the CSV file: an image."""

    file: Path
    label: str
    split: str  # one of SPLITS; "" without a column split
    group: str  # "" without a column group


def line_error(table: Path, line: int, what: str) -> TenchError:
    """An error about a line, counted from 1, with the allowed layouts."""
    return layout_error(f"{table}, line {line}: {printable(what)}")


def read_csv_lines(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of every line that is not blank, with its line number."""
    if table.stat().st_size > MAX_BYTES:
        raise layout_error(
            f"{table}: more than {MAX_BYTES:,} bytes; remove all columns but "
            f"{', '.join(MANIFEST_COLUMNS)}"
        )
    content = table.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise line_error(table, line, "not UTF-8; save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise line_error(table, reader.line_num, f"not CSV: {error}") from None


def path_remedy(file: Path, raw: Path) -> str:
    """What to write in the CSV file instead of an absolute path or one with `..`."""
    absolute = Path(os.path.normpath(file.absolute()))
    for top in (Path(os.path.normpath(raw.absolute())), raw.resolve()):
        if absolute.is_relative_to(top) and absolute != top:
            return f"write {absolute.relative_to(top).as_posix()!r}, its path from {raw}"
    return f"it is not in {raw}: put the image there, and write its path from there"


def resolve_image_path(raw: Path, path: str) -> Path:
    """The image file below `raw` that a cell names.

    Raises:
        ValueError: there is no such file, or DVC ignores it.
        TenchError: the path has a link or a bad name.
    """
    file = raw / path
    check_encodable(file)  # before a message contains the path
    if path.startswith("/"):
        raise ValueError(f"the path {path!r} is absolute; {path_remedy(file, raw)}")
    if ".." in path.split("/"):
        raise ValueError(f"the path {path!r} has '..' in it; {path_remedy(file, raw)}")
    if len(path.encode()) > MAX_PATH_BYTES or any(len(part.encode()) > 255 for part in file.parts):
        raise ValueError(f"there is no file {str(file)[:100]}…: too long a name")
    check_file_name(file)
    relative = file.relative_to(raw)
    for part in [*reversed(relative.parents), relative][1:]:
        check_not_link(raw / part)
    if not file.is_file():
        raise ValueError(f"there is no file {file}; paths start below {raw}, with / between")
    for name in filter(is_ignored_by_dvc, map(Path, relative.parts)):
        raise ValueError(f"DVC ignores {str(name)!r} in the path {path!r}; rename it")
    return file


def parse_header(table: Path, line: int, cells: list[str]) -> list[str]:
    """The column names. Raises TenchError if a required column is missing or one appears twice."""
    names = [cell.strip() for cell in cells]
    for name in MANIFEST_COLUMNS:
        if names.count(name) > 1:
            raise line_error(table, line, f"the column {name} twice")
        if name in REQUIRED_COLUMNS and name not in names:
            listed = ", ".join(map(repr, names))
            raise line_error(table, line, f"no column {name} among {listed}; separate with commas")
    return names


def read_manifest(table: Path) -> list[ManifestEntry]:
    """Read the CSV file in a raw folder.

    Columns: path, relative to the folder; label; split, a word for train, val or test in every line
    or in none; group, in every line.

    Raises:
        TenchError: the first invalid line, with its number.
    """
    lines = read_csv_lines(table)
    names = parse_header(table, *next(lines, (1, [])))
    entries: list[ManifestEntry] = []
    lines_by_file: dict[Path, int] = {}
    for line, cells in lines:
        if len(cells) != len(names):
            what = f"{len(cells)} cells, but {len(names)} columns; quote cells that contain commas"
            raise line_error(table, line, what)
        row = dict(zip(names, cells, strict=True))
        try:
            entry = ManifestEntry(
                file=resolve_image_path(table.parent, row["path"]),
                label=required_cell(row, "label"),
                split=parse_split(row),
                group=parse_group(row),
            )
            other = lines_by_file.setdefault(entry.file, line)
            if other != line:
                raise ValueError(f"the path {row['path']!r} again, after line {other}")
            if entries and bool(entry.split) != bool(entries[0].split):
                raise ValueError("a split in some lines only; give it in all of them or in none")
        except ValueError as error:
            raise line_error(table, line, str(error)) from None
        entries.append(entry)
    if not entries:
        raise layout_error(f"{table}: no images below line 1")
    return entries


def required_cell(row: dict[str, str], column: str) -> str:
    """The text of a cell. Raises ValueError if it is empty or has control characters."""
    value = row[column].strip()
    if not value or any(map(is_control_character, value)):
        raise ValueError(f"the {column} is {value!r}; it must be text on one line")
    return value


def parse_group(row: dict[str, str]) -> str:
    """The group of a line, "" without that column. Raises ValueError if it is empty."""
    return required_cell(row, "group") if "group" in row else ""


def parse_split(row: dict[str, str]) -> str:
    """The split of a line, "" for none. Raises ValueError for an unknown word."""
    word = row.get("split", "").strip()
    name = split_from_word(word)
    if word and name is None:
        raise ValueError(f"the split is {word!r}; it must be one of {', '.join(SPLIT_WORDS)}")
    return name or ""
