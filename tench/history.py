"""metrics/: where it lies, and what DVCLive wrote there of every epoch."""

from pathlib import Path

from tench.tables import read_csv

METRICS = Path("metrics")
MODELS = ("frozen", "finetuned")  # whose scores evaluate leaves there
COLUMNS = (("train", "loss"), ("train", "accuracy"), ("val", "loss"), ("val", "accuracy"))
NAMES = tuple(("val " if split == "val" else "") + metric for split, metric in COLUMNS)

Epoch = tuple[int, tuple[float, ...]]  # its number, and its metrics in the order of COLUMNS


def history(stage: str, metrics: Path = METRICS) -> list[Epoch]:
    """The epochs of a training stage's last run."""
    folder = metrics / stage / "plots/metrics"
    columns = []
    for split, metric in COLUMNS:
        rows = read_csv(folder / split / f"{metric}.tsv", "\t")
        columns.append([float(row[metric]) for row in rows])
    epochs = [int(row["step"]) for row in rows]
    return list(zip(epochs, zip(*columns, strict=True), strict=True))
