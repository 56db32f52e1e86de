"""What metrics/ holds of every epoch, and of the test pictures in groups."""

from pathlib import Path
from typing import Any

from tench.core.files import read_csv
from tench.core.names import MODELS
from tench.core.paths import METRICS

COLUMNS = (("train", "loss"), ("train", "accuracy"), ("val", "loss"), ("val", "accuracy"))
NAMES = tuple(("val " if split == "val" else "") + metric for split, metric in COLUMNS)

Epoch = tuple[int, tuple[float, ...]]  # its number, and its metrics in the order of COLUMNS


def history(stage: str, metrics: Path = METRICS) -> list[Epoch]:
    """The epochs of a training stage's last run, as DVCLive wrote them."""
    folder = metrics / stage / "plots/metrics"
    columns = []
    for split, metric in COLUMNS:
        rows = read_csv(folder / split / f"{metric}.tsv", "\t")
        columns.append([float(row[metric]) for row in rows])
    epochs = [int(row["step"]) for row in rows]
    return list(zip(epochs, zip(*columns, strict=True), strict=True))


def groups(scores: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The scores of both models, in the order of MODELS, on `all` test pictures; and, where the
    backbone has seen some and others not, on those `seen` and `unseen`.

    Args:
        scores: the content of metrics/evaluate.json.
    """
    found = {"all": [scores[model] for model in MODELS]}
    for name in ("seen", "unseen"):
        if all({"seen", "unseen"} <= scores[model].keys() for model in MODELS):
            found[name] = [scores[model][name] for model in MODELS]
    return found
