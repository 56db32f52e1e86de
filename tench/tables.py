"""Tables: on disk as CSV (UTF-8, with a header), and for the report's templates."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Table = dict[str, Any]


def write_csv(columns: Iterable[str], rows: Iterable[Iterable[object]], file: Path) -> None:
    """Write rows as CSV under a header."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def read_csv(file: Path, delimiter: str = ",") -> list[dict[str, str]]:
    """Read a CSV file's rows; DVCLive's files are delimited by tabs."""
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


def table(header: Sequence[str], rows: Sequence[Sequence[object]], **more: Any) -> Table:
    """A table for the template: header, rows, and `sortable`, a `caption`, or `text` where cells
    are words rather than numbers."""
    return {"header": header, "rows": rows, "sortable": False, "caption": "", "text": False} | more


def percent(share: float) -> str:
    """0.957 as 95.7 %."""
    return f"{100 * share:.1f} %"
