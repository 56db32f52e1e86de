"""The metrics of the last run as tables: `python -m tench.summary`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tench.history import METRICS, NAMES, history


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of text as an aligned Markdown table; the first row is the header."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(f"{cell:{w}}" for cell, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]])


def epochs(stage: str) -> list[tuple[str, ...]]:
    """One row per epoch of a training stage: epoch, loss, accuracy, val loss, val accuracy."""
    return [
        (f"{epoch} {stage}", *(f"{value:.3f}" for value in values))
        for epoch, values in history(stage)
    ]


def score_rows(scores: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row per group of test pictures: pictures, then both models' accuracy and loss."""
    rows = []
    for name in ("all", "seen", "unseen"):
        before, after = (
            scores[model] if name == "all" else scores[model].get(name)
            for model in ("frozen", "finetuned")
        )
        if before and after:
            figures = [before["accuracy"], after["accuracy"], before["loss"], after["loss"]]
            rows.append((name, str(after["pictures"]), *(f"{figure:.3f}" for figure in figures)))
    return rows


def main() -> None:
    header: tuple[str, ...] = ("Epoch", *(name.capitalize() for name in NAMES))
    print("\n" + table([header, *epochs("extract-train"), *epochs("finetune")]) + "\n")
    header = ("Test pictures", "Number", "Accuracy frozen", "finetuned", "Loss frozen", "finetuned")
    scores = json.loads((METRICS / "evaluate.json").read_text(encoding="utf-8"))
    print(table([header, *score_rows(scores)]))
    print(
        f"\nIn {Path.cwd()}:\n"
        "  models/classifier.keras    the classifier: RGB pictures in, a probability a class out\n"
        "  models/labels.txt          the classes, in that order\n"
        "  metrics/                   every number\n"
        "  dvc plots show             curves and confusion matrix in the browser\n"
        "  dvc exp run -S finetune.learning_rate=1.0e-5    try something; reruns what it must"
    )


if __name__ == "__main__":
    main()
