"""What evaluate leaves of two models' answers: metrics, and tables for anyone's own analysis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from tench.core.files import write_csv, write_json
from tench.core.names import MODEL_NAMES
from tench.core.paths import CALIBRATION, PER_CLASS, PREDICTIONS, SCORES
from tench.data.index import Row, class_names, row_labels, seen_mask
from tench.evaluate.scores import Predictions, score_predictions
from tench.evaluate.statistics import mcnemar_test, reliability_bins


def summarize_evaluation(
    outcomes: dict[str, Predictions], rows: Sequence[Row], seed: int
) -> dict[str, object]:
    """What metrics/evaluate.json holds: scores of both models, their difference on the same
    images, and of the fine-tuned one the mean F1 and the mean recall over classes.

    Args:
        outcomes: by name of the model, one of MODELS.
        rows: of the index, in the order of the outcomes.
        seed: of the bootstrap.
    """
    seen = seen_mask(rows)
    metrics: dict[str, object] = {
        model: score_predictions(outcomes[model], seen, seed) for model in MODEL_NAMES
    }
    metrics["mcnemar"] = mcnemar_test(*(outcomes[model].is_correct for model in MODEL_NAMES))
    per_class = class_rows(outcomes["finetuned"], rows)
    metrics["macro_f1"] = float(np.mean([row["f1"] for row in per_class]))
    metrics["balanced_accuracy"] = float(np.mean([row["recall"] for row in per_class]))
    return metrics


def class_rows(said: Predictions, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every class, a class never predicted with precision 0."""
    names = class_names(rows)
    columns = precision_recall_fscore_support(
        row_labels(rows), said.predicted, labels=range(len(names)), zero_division=0
    )
    return [
        {
            "class_name": name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "images": int(images),
        }
        for name, precision, recall, f1, images in zip(names, *columns, strict=True)
    ]


def calibration_rows(said: Predictions) -> list[dict[str, Any]]:
    """The reliability diagram: one row a bin that has images."""
    return [one._asdict() for one in reliability_bins(said.confidence, said.is_correct)]


def prediction_rows(outcomes: dict[str, Predictions], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per test image: what it is, and what both models say; the fine-tuned one's columns
    have no prefix. `probability` is that of the prediction, `label_probability` of the label,
    `rank` the label's place among all classes."""
    names = class_names(rows)
    table: list[dict[str, Any]] = [
        {"path": row.path, "label": row.class_name, "seen": row.seen} for row in rows
    ]
    for prefix, model in (("", "finetuned"), ("frozen_", "frozen")):
        said = outcomes[model]
        for place, row in enumerate(table):
            row[f"{prefix}prediction"] = names[said.predicted[place]]
            row[f"{prefix}probability"] = float(said.confidence[place])
            row[f"{prefix}label_probability"] = float(said.label_probability[place])
            row[f"{prefix}rank"] = int(said.rank[place])
    return table


def most_confident_errors(said: Predictions, count: int) -> list[int]:
    """The places of at most `count` images the model is wrong about, the surest first."""
    wrong = np.flatnonzero(~said.is_correct)
    return [int(n) for n in wrong[np.argsort(-said.confidence[wrong], kind="stable")][:count]]


def write_results(outcomes: dict[str, Predictions], rows: Sequence[Row], seed: int) -> None:
    """Write scores and the tables of predictions, classes and calibration into metrics/."""
    tables = {
        PREDICTIONS: prediction_rows(outcomes, rows),
        PER_CLASS: class_rows(outcomes["finetuned"], rows),
        **{
            CALIBRATION / f"{model}.csv": calibration_rows(outcomes[model]) for model in MODEL_NAMES
        },
    }
    for file, table in tables.items():
        write_csv(table[0], (row.values() for row in table), file)
    write_json(summarize_evaluation(outcomes, rows, seed), SCORES)
