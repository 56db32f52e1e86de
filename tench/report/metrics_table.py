"""The metrics of the last run as tables: `python -m tench.report.metrics_table`."""

import sys
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.files import read_json
from tench.core.paths import CLASSIFIER, EXPORT, METRICS, PROBE_SCORES, SCORES
from tench.report.page.history import HISTORY_NAMES, read_history, score_groups
from tench.report.page.tables import markdown_table
from tench.run.silence import ignore_closed_pipe
from tench.run.verify import check_results


def history_rows(stage: str) -> list[tuple[str, ...]]:
    """One row per epoch of a training stage: epoch, loss, accuracy, val loss, val accuracy."""
    return [
        (f"{epoch} {stage}", *(f"{value:.3f}" for value in values))
        for epoch, values in read_history(stage)
    ]


def score_rows(scores: dict[str, Any], probe: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row per group of test images: images, then both models' accuracy and loss; and one of
    a logistic regression on the frozen backbone's features."""
    rows = []
    for name, (before, after) in score_groups(scores).items():
        figures = [before["accuracy"], after["accuracy"], before["loss"], after["loss"]]
        rows.append((name, str(after["images"]), *(f"{figure:.3f}" for figure in figures)))
    test = probe["test"]
    linear = (f"{test['accuracy']:.3f}", "", f"{test['loss']:.3f}", "")
    return [*rows, ("all, logistic regression", str(test["images"]), *linear)]


def main() -> None:
    try:
        check_results(METRICS)
    except TenchError as error:
        sys.exit(f"error: {error}")
    with ignore_closed_pipe():
        print_summary()


def print_summary() -> None:
    """Print the tables, and where the results are."""
    header: tuple[str, ...] = ("Epoch", *(name.capitalize() for name in HISTORY_NAMES))
    print(
        "\n"
        + markdown_table([header, *history_rows("extract-train"), *history_rows("finetune")])
        + "\n"
    )
    header = ("Test images", "Number", "Accuracy frozen", "finetuned", "Loss frozen", "finetuned")
    rows = score_rows(read_json(SCORES), read_json(PROBE_SCORES))
    print(markdown_table([header, *rows]))
    what = {
        CLASSIFIER: "the classifier in Keras; its classes are in models/labels.txt",
        f"{EXPORT}/": "the classifier for LiteRT, ONNX, servers; README.md describes it",
        f"{METRICS}/": "every number",
        "dvc plots show": "curves and confusion matrix in the browser",
    }
    print(f"\nIn {Path.cwd()}:")
    print("\n".join(f"  {name!s:26} {text}" for name, text in what.items()))
    print("  python -m tench.predict some.jpg                name images, files or folders")
    print("  make serve                                      a page to drop images on")
    print("  dvc exp run -S finetune.learning_rate=1.0e-5    try something; reruns what it must")


if __name__ == "__main__":
    main()
