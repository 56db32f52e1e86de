"""One answer as a row of CSV or a line of JSON."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tench.core.names import escape_control_characters, escape_formula, escape_formula_path
from tench.deploy.runtime.predictor import Prediction

UNDECIDED = "undecided"


class PredictionRow(NamedTuple):
    """What is said of one file."""

    path: str
    classes: list[tuple[str, float]]  # with their probabilities, the likeliest first
    distance: float | None  # to the nearest training image
    flag: str  # unsure, stranger, undecided or nothing
    explanation: str  # path of the image that shows where the class was found
    reason: str  # why it could not be read

    @property
    def predicted_class(self) -> str:
        """The class it was given, empty if none."""
        return self.classes[0][0] if self.classes and self.flag != UNDECIDED else ""


def rejected_row(path: Path, reason: str) -> PredictionRow:
    """The row of a file that could not be read."""
    return PredictionRow(escape_formula_path(str(path)), [], None, "", "", reason)


def prediction_row(
    path: Path, one: Prediction, min_confidence: float, explanation: str
) -> PredictionRow:
    """The row of an image; below `min_confidence` it is undecided."""
    undecided = one.classes[0][1] < min_confidence
    return PredictionRow(
        path=escape_formula_path(str(path)),
        classes=one.classes,
        distance=one.distance,
        flag=UNDECIDED if undecided else one.flag,
        explanation=explanation,
        reason="",
    )


def csv_columns(top: int) -> list[str]:
    """The header of the CSV with the `top` likeliest classes. An undecided image has no `class`;
    what it might be stands in class_1, class_2, …"""
    likeliest = [f"{what}_{n + 1}" for n in range(top) for what in ("class", "probability")]
    return [
        "path",
        "class",
        "probability",
        "doubt",
        "distance",
        *likeliest,
        "explanation",
        "reason",
    ]


def csv_row(row: PredictionRow, top: int) -> list[str]:
    """A row under `columns`, on one line of UTF-8, of which nothing is a formula to a spreadsheet.
    What a path has of control characters, only JSON tells exactly."""
    likeliest = [
        text for name, p in row.classes[:top] for text in (escape_formula(name), format_score(p))
    ]
    return [
        escape_formula(escape_control_characters(row.path)),
        escape_formula(row.predicted_class),
        format_score(row.classes[0][1]) if row.classes else "",
        row.flag,
        "" if row.distance is None else format_score(row.distance),
        *likeliest,
        *[""] * (2 * top - len(likeliest)),
        escape_formula(escape_control_characters(row.explanation)),
        escape_formula(escape_control_characters(row.reason)),
    ]


def format_score(value: float) -> str:
    """A probability or distance with six places: more than runtimes agree on."""
    return f"{value:.6f}"


def json_line(row: PredictionRow, top: int) -> str:
    """A row as a JSON object on one line; what there is not is null."""
    content: dict[str, Any] = {
        "path": row.path,
        "class": row.predicted_class or None,
        "probability": round(row.classes[0][1], 6) if row.classes else None,
        "doubt": row.flag or None,
        "distance": None if row.distance is None else round(row.distance, 6),
        "classes": [{"class": name, "probability": round(p, 6)} for name, p in row.classes[:top]],
        "explanation": row.explanation or None,
        "reason": row.reason or None,
    }
    # of a path that is no UTF-8 the other bytes are escaped: Python's json reads them back
    line = json.dumps(content, ensure_ascii=False)
    return line.encode(errors="backslashreplace").decode()
