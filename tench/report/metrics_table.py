"""Print the metrics of the last run as tables: `python -m tench.report.metrics_table`."""

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
    """Return one row per epoch: epoch and stage, loss, accuracy, val loss, val accuracy."""
    return [
        (f"{epoch} {stage}", *(f"{value:.3f}" for value in values))
        for epoch, values in read_history(stage)
    ]


def score_rows(scores: dict[str, Any], probe: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return one row per group of test images, with both models' scores, and the linear probe's.

    Args:
        scores: Content of metrics/evaluate.json.
        probe: Content of metrics/probe.json.
    """
    rows = []
    for name, (before, after) in score_groups(scores).items():
        figures = [before["accuracy"], after["accuracy"], before["loss"], after["loss"]]
        rows.append((name, str(after["images"]), *(f"{figure:.3f}" for figure in figures)))
    test = probe["test"]
    cells = (f"{test['accuracy']:.3f}", "", f"{test['loss']:.3f}", "")
    return [*rows, ("all (linear probe)", str(test["images"]), *cells)]


def main() -> None:
    try:
        check_results(METRICS)
    except TenchError as error:
        sys.exit(f"error: {error}")
    with ignore_closed_pipe():
        print_summary()


def print_summary() -> None:
    """Print the metrics, the results' files and the next commands."""
    header: tuple[str, ...] = ("Epoch", *(name.capitalize() for name in HISTORY_NAMES))
    epochs = [header, *history_rows("extract-train"), *history_rows("finetune")]
    print(f"\n{markdown_table(epochs)}\n")
    metrics = ("Frozen accuracy", "Fine-tuned accuracy", "Frozen loss", "Fine-tuned loss")
    rows = score_rows(read_json(SCORES), read_json(PROBE_SCORES))
    print(markdown_table([("Test images", "Count", *metrics), *rows]))
    results = {
        CLASSIFIER: "the Keras model; its classes are in models/labels.txt",
        f"{EXPORT}/": "LiteRT and ONNX models; README.md is the model card",
        f"{METRICS}/": "all metrics",
    }
    commands = {
        "python -m tench.predict some.jpg": "predict the classes of images",
        "make serve": "serve a web page that classifies your images",
        "dvc plots show": "view learning curves and the confusion matrix",
        "dvc exp run -S finetune.learning_rate=1.0e-5": "change a parameter; rerun affected stages",
    }
    print(f"\nResults in {Path.cwd()}:")
    print("\n".join(f"  {name!s:26} {text}" for name, text in results.items()))
    print("\nNext:")
    print("\n".join(f"  {command:46} {text}" for command, text in commands.items()))


if __name__ == "__main__":
    main()
