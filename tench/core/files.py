"""CSV, JSON and text files in UTF-8, and atomic writes of files and folders."""

import csv
import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from tench.core.names import escape_formula, unescape_formula


@contextmanager
def atomic_file(file: Path) -> Iterator[Path]:
    """Yield a temporary path beside `file`; rename it to `file` when the block succeeds.

    A killed run or a full disk never leaves a half-written file under the final name.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".part-{file.name}")
    try:
        yield part
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `folder`; replace `folder` when the block succeeds.

    The old content of `folder` is deleted: check first that it may be.
    """
    part = folder.with_name(f".part-{folder.name}")
    remove_folder(part)  # left by a killed run
    part.mkdir(parents=True)
    try:
        yield part
        replace_folder(part, folder)
    finally:
        remove_folder(part)


def replace_folder(part: Path, folder: Path) -> None:
    """Rename the complete folder `part` to `folder`, on the same disk; delete the old `folder`."""
    old = folder.with_name(f".part-old-{folder.name}")
    remove_folder(old)
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        folder.rename(old)  # delete last: no half-deleted folder under the final name
    part.rename(folder)
    remove_folder(old)


def remove_folder(folder: Path) -> None:
    """Delete a folder if it exists."""
    if folder.exists():
        shutil.rmtree(folder)


def file_sha256(file: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def has_sha256(file: Path, sha256: str) -> bool:
    """Whether a file exists and has this SHA-256."""
    return file.is_file() and file_sha256(file) == sha256


def write_text(text: str, file: Path) -> None:
    """Write UTF-8 text with \\n line endings, atomically."""
    with atomic_file(file) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(content: object, file: Path) -> None:
    """Write indented JSON, atomically. Raises ValueError for NaN and infinity."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(f"{text}\n", file)


def read_json(file: Path) -> Any:
    """Read a JSON file."""
    return json.loads(file.read_text(encoding="utf-8"))


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[object]], file: Path) -> None:
    """Write rows as CSV under a header, with no text cell that is a spreadsheet formula."""
    with atomic_file(file) as part, part.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        for row in chain([columns], rows):
            writer.writerow(escape_formula(cell) if isinstance(cell, str) else cell for cell in row)


def read_csv(file: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV file as a list of rows; DVCLive's files are delimited by tabs."""
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.reader(lines, delimiter=delimiter)
        rows = [[unescape_formula(cell) for cell in row] for row in table if row]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
