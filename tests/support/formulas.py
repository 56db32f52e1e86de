"""Detect spreadsheet formulas, independently of the code that escapes them."""

import csv
import io
import re

# Excel and LibreOffice: at the start of a cell, or after a semicolon, even inside quotation marks
FORMULA = re.compile(r"(?:^|;)[\"\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet evaluates a cell with this text, or a part of it."""
    return FORMULA.search(text) is not None


def formula_cells(table: str) -> list[str]:
    """Cells of a CSV text that a spreadsheet evaluates, for any delimiter it may assume.

    Numbers are no formulas.
    """
    rows = [row for mark in ",;\t" for row in csv.reader(io.StringIO(table), delimiter=mark)]
    return [cell for row in rows for cell in row if is_formula(cell) and not is_number(cell)]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, which may be negative."""
    try:
        float(cell)
    except ValueError:
        return False
    return True
