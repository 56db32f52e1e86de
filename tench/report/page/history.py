"""What metrics/ holds of every epoch, and of the test images in groups."""

from pathlib import Path
from typing import Any

from tench.core.files import read_csv
from tench.core.names import MODEL_NAMES
from tench.core.paths import METRICS

HISTORY_COLUMNS = (("train", "loss"), ("train", "accuracy"), ("val", "loss"), ("val", "accuracy"))
HISTORY_NAMES = tuple(
    ("val " if split == "val" else "") + metric for split, metric in HISTORY_COLUMNS
)

EpochRow = tuple[int, tuple[float, ...]]  # its number, and its metrics in the order of COLUMNS


def read_history(stage: str, metrics: Path = METRICS) -> list[EpochRow]:
    """The epochs of a training stage's last run, as DVCLive wrote them."""
    folder = metrics / stage / "plots/metrics"
    columns = []
    for split, metric in HISTORY_COLUMNS:
        rows = read_csv(folder / split / f"{metric}.tsv", "\t")
        columns.append([float(row[metric]) for row in rows])
    epochs = [int(row["step"]) for row in rows]
    return list(zip(epochs, zip(*columns, strict=True), strict=True))


def score_groups(scores: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The scores of both models, in the order of MODELS, on `all` test images; and, where the
    backbone has seen some and others not, on those `seen` and `unseen`.

    Args:
        scores: the content of metrics/evaluate.json.
    """
    found = {"all": [scores[model] for model in MODEL_NAMES]}
    for name in ("seen", "unseen"):
        if all({"seen", "unseen"} <= scores[model].keys() for model in MODEL_NAMES):
            found[name] = [scores[model][name] for model in MODEL_NAMES]
    return found
