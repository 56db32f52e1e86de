"""Metrics per epoch and per group of test images, read from metrics/."""

from pathlib import Path
from typing import Any

from tench.core.files import read_csv
from tench.core.names import MODEL_NAMES
from tench.core.paths import METRICS

HISTORY_COLUMNS = (("train", "loss"), ("train", "accuracy"), ("val", "loss"), ("val", "accuracy"))
HISTORY_NAMES = tuple(
    ("val " if split == "val" else "") + metric for split, metric in HISTORY_COLUMNS
)

EpochRow = tuple[
    int, tuple[float, ...]
]  # epoch number and metrics, in the order of HISTORY_COLUMNS


def read_history(stage: str, metrics: Path = METRICS) -> list[EpochRow]:
    """Read the metrics per epoch that DVCLive wrote in the last run of a training stage."""
    folder = metrics / stage / "plots/metrics"
    columns = []
    for split, metric in HISTORY_COLUMNS:
        rows = read_csv(folder / split / f"{metric}.tsv", "\t")
        columns.append([float(row[metric]) for row in rows])
    epochs = [int(row["step"]) for row in rows]
    return list(zip(epochs, zip(*columns, strict=True), strict=True))


def score_groups(scores: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Group test scores into `all` images and, if both exist, `seen` and `unseen` in pretraining.

    Args:
        scores: Content of metrics/evaluate.json.

    Returns:
        By group, the scores of both models in the order of MODEL_NAMES.
    """
    groups = {"all": [scores[model] for model in MODEL_NAMES]}
    if all({"seen", "unseen"} <= scores[model].keys() for model in MODEL_NAMES):
        for name in ("seen", "unseen"):
            groups[name] = [scores[model][name] for model in MODEL_NAMES]
    return groups
