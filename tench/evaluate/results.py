"""The metrics and tables of the evaluate stage."""

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
    predictions: dict[str, Predictions], rows: Sequence[Row], seed: int
) -> dict[str, object]:
    """The content of metrics/evaluate.json: the scores of both models, McNemar's test, and the
    macro F1 and balanced accuracy of the fine-tuned model.

    Args:
        predictions: by model, one of MODEL_NAMES.
        rows: of the index, in the order of the predictions.
        seed: of the bootstrap.
    """
    seen = seen_mask(rows)
    metrics: dict[str, object] = {
        model: score_predictions(predictions[model], seen, seed) for model in MODEL_NAMES
    }
    metrics["mcnemar"] = mcnemar_test(*(predictions[model].is_correct for model in MODEL_NAMES))
    per_class = class_rows(predictions["finetuned"], rows)
    metrics["macro_f1"] = float(np.mean([row["f1"] for row in per_class]))
    metrics["balanced_accuracy"] = float(np.mean([row["recall"] for row in per_class]))
    return metrics


def class_rows(predictions: Predictions, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every class. The precision of a class never predicted is 0."""
    names = class_names(rows)
    columns = precision_recall_fscore_support(
        row_labels(rows), predictions.predicted, labels=range(len(names)), zero_division=0
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


def calibration_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """The reliability diagram, one row per bin that has images."""
    bins = reliability_bins(predictions.confidence, predictions.is_correct)
    return [bin._asdict() for bin in bins]


def prediction_rows(
    predictions: dict[str, Predictions], rows: Sequence[Row]
) -> list[dict[str, Any]]:
    """The predictions of both models, one row per test image.

    The columns of the fine-tuned model have no prefix, those of the other `frozen_`. `probability`
    is that of the predicted class, `label_probability` that of the true class, and `rank` its rank
    by probability, from 1.
    """
    names = class_names(rows)
    table: list[dict[str, Any]] = [
        {"path": row.path, "label": row.class_name, "seen": row.seen} for row in rows
    ]
    for prefix, model in (("", "finetuned"), ("frozen_", "frozen")):
        result = predictions[model]
        for n, row in enumerate(table):
            row[f"{prefix}prediction"] = names[result.predicted[n]]
            row[f"{prefix}probability"] = float(result.confidence[n])
            row[f"{prefix}label_probability"] = float(result.label_probability[n])
            row[f"{prefix}rank"] = int(result.label_rank[n])
    return table


def most_confident_errors(predictions: Predictions, count: int) -> list[int]:
    """The indices of at most `count` wrong predictions, the most confident first."""
    wrong = np.flatnonzero(~predictions.is_correct)
    order = np.argsort(-predictions.confidence[wrong], kind="stable")
    return [int(n) for n in wrong[order][:count]]


def write_results(predictions: dict[str, Predictions], rows: Sequence[Row], seed: int) -> None:
    """Write the scores and the tables of predictions, classes and calibration to metrics/."""
    tables = {
        PREDICTIONS: prediction_rows(predictions, rows),
        PER_CLASS: class_rows(predictions["finetuned"], rows),
        **{
            CALIBRATION / f"{model}.csv": calibration_rows(predictions[model])
            for model in MODEL_NAMES
        },
    }
    for file, table in tables.items():
        write_csv(table[0], (row.values() for row in table), file)
    write_json(summarize_evaluation(predictions, rows, seed), SCORES)
