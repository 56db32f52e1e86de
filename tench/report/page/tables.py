"""Tables for the HTML pages and, as Markdown, for the terminal."""

from collections.abc import Sequence
from typing import Any

Table = dict[str, Any]


def page_table(header: Sequence[str], rows: Sequence[Sequence[object]], **more: Any) -> Table:
    """Build a table for table.html.

    Args:
        header: Column titles.
        rows: Cells; the first of each row is its title.
        **more: `sortable` (bool), `caption` (str), or `text` (bool) to align cells to the left.
    """
    return {"header": header, "rows": rows, "sortable": False, "caption": "", "text": False} | more


def markdown_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Format rows of text as an aligned Markdown table; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def percent_text(share: float) -> str:
    """Format a fraction as a percentage: 0.957 becomes 95.7%."""
    return f"{100 * share:.1f}%"
