"""Prediction rows, as CSV or JSON lines."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from tench.core.names import escape_control_characters, escape_formula, escape_formula_path
from tench.deploy.runtime.predictor import Prediction

UNDECIDED = "undecided"


class PredictionRow(NamedTuple):
    """Row of one file."""

    path: str
    classes: list[tuple[str, float]]  # with probabilities, most likely first
    distance: float | None  # to the nearest training image
    flag: str  # low_confidence, out_of_distribution, undecided or empty
    explanation: str  # path of the Grad-CAM image, or empty
    reason: str  # why the file could not be read, or empty

    @property
    def predicted_class(self) -> str:
        """Predicted class; empty if the file is undecided or could not be read."""
        return self.classes[0][0] if self.classes and self.flag != UNDECIDED else ""


def rejected_row(path: Path, reason: str) -> PredictionRow:
    """Row of a file that could not be read."""
    return PredictionRow(escape_formula_path(str(path)), [], None, "", "", reason)


def prediction_row(
    path: Path, prediction: Prediction, min_confidence: float, explanation: str
) -> PredictionRow:
    """Row of an image; undecided if its confidence is below `min_confidence`."""
    undecided = prediction.classes[0][1] < min_confidence
    return PredictionRow(
        path=escape_formula_path(str(path)),
        classes=prediction.classes,
        distance=prediction.distance,
        flag=UNDECIDED if undecided else prediction.flag,
        explanation=explanation,
        reason="",
    )


def csv_columns(top: int) -> list[str]:
    """Header of the CSV with the `top` most likely classes.

    `class` is empty for undecided images; class_1, class_2, … are filled in for them too.
    """
    likeliest = [f"{name}_{n + 1}" for n in range(top) for name in ("class", "probability")]
    return [
        "path",
        "class",
        "probability",
        "flag",
        "distance",
        *likeliest,
        "explanation",
        "reason",
    ]


def csv_row(row: PredictionRow, top: int) -> list[str]:
    """Cells of a row under `csv_columns`, safe to open in a spreadsheet.

    Control characters in paths are escaped; JSON has the exact path.
    """
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
    """Format a probability or distance with six decimals, more than runtimes agree on."""
    return f"{value:.6f}"


def json_line(row: PredictionRow, top: int) -> str:
    """A row as a JSON object on one line; missing values are null."""
    content: dict[str, Any] = {
        "path": row.path,
        "class": row.predicted_class or None,
        "probability": round(row.classes[0][1], 6) if row.classes else None,
        "flag": row.flag or None,
        "distance": None if row.distance is None else round(row.distance, 6),
        "classes": [{"class": name, "probability": round(p, 6)} for name, p in row.classes[:top]],
        "explanation": row.explanation or None,
        "reason": row.reason or None,
    }
    # bytes of a path that are not UTF-8 are escaped; Python's json reads them back
    line = json.dumps(content, ensure_ascii=False)
    return line.encode(errors="backslashreplace").decode()
