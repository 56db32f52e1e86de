"""What evaluate leaves of two models' answers: metrics, and tables for anyone's own analysis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.metrics import precision_recall_fscore_support

from tench.core.files import write_csv, write_json
from tench.core.names import MODELS
from tench.core.paths import CALIBRATION, PER_CLASS, PREDICTIONS, SCORES
from tench.pictures.index import Row, class_names, labels_of, seen_of
from tench.scoring.scores import Outcome, score
from tench.scoring.uncertainty import mcnemar, reliability


def summarise(outcomes: dict[str, Outcome], rows: Sequence[Row], seed: int) -> dict[str, object]:
    """What metrics/evaluate.json holds: scores of both models, their difference on the same
    pictures, and of the fine-tuned one the mean F1 and the mean recall over classes.

    Args:
        outcomes: by name of the model, one of MODELS.
        rows: of the index, in the order of the outcomes.
        seed: of the bootstrap.
    """
    seen = seen_of(rows)
    metrics: dict[str, object] = {model: score(outcomes[model], seen, seed) for model in MODELS}
    metrics["mcnemar"] = mcnemar(*(outcomes[model].right for model in MODELS))
    per_class = class_rows(outcomes["finetuned"], rows)
    metrics["macro_f1"] = float(np.mean([row["f1"] for row in per_class]))
    metrics["balanced_accuracy"] = float(np.mean([row["recall"] for row in per_class]))
    return metrics


def class_rows(said: Outcome, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every class, a class never predicted with precision 0."""
    names = class_names(rows)
    columns = precision_recall_fscore_support(
        labels_of(rows), said.predicted, labels=range(len(names)), zero_division=0
    )
    return [
        {
            "class_name": name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "pictures": int(pictures),
        }
        for name, precision, recall, f1, pictures in zip(names, *columns, strict=True)
    ]


def calibration_rows(said: Outcome) -> list[dict[str, Any]]:
    """The reliability diagram: one row a bin that has pictures."""
    return [one._asdict() for one in reliability(said.confidence, said.right)]


def prediction_rows(outcomes: dict[str, Outcome], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One row per test picture: what it is, and what both models say; the fine-tuned one's columns
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
            row[f"{prefix}label_probability"] = float(said.of_label[place])
            row[f"{prefix}rank"] = int(said.rank[place])
    return table


def worst_mistakes(said: Outcome, count: int) -> list[int]:
    """The places of at most `count` pictures the model is wrong about, the surest first."""
    wrong = np.flatnonzero(~said.right)
    return [int(n) for n in wrong[np.argsort(-said.confidence[wrong], kind="stable")][:count]]


def write_results(outcomes: dict[str, Outcome], rows: Sequence[Row], seed: int) -> None:
    """Write scores and the tables of predictions, classes and calibration into metrics/."""
    tables = {
        PREDICTIONS: prediction_rows(outcomes, rows),
        PER_CLASS: class_rows(outcomes["finetuned"], rows),
        **{CALIBRATION / f"{model}.csv": calibration_rows(outcomes[model]) for model in MODELS},
    }
    for file, table in tables.items():
        write_csv(table[0], (row.values() for row in table), file)
    write_json(summarise(outcomes, rows, seed), SCORES)
