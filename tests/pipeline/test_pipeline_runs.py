"""The whole pipeline on the sample, with real dvc and the real backbone: what one run leaves."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import STAGES_AFTER_SAMPLE, FinishedRun, run_dvc, stages_run

from benchmarks.compare import pipeline_scores
from benchmarks.measure import MeasuredRun, embed_rates

CLASSES = 10


def read_json(folder: Path, name: str) -> Any:
    return json.loads((folder / "metrics" / name).read_text(encoding="utf-8"))


def test_every_stage_runs_once(finished_run: FinishedRun) -> None:
    stages = stages_run(finished_run.output)
    assert len(stages) == len(set(stages))
    assert {"raw", "sample", "weights", *STAGES_AFTER_SAMPLE} == set(stages)
    in_order = [
        stage for stage in STAGES_AFTER_SAMPLE if stage != "audit"
    ]  # which nothing waits for
    assert [stage for stage in stages if stage in in_order] == in_order


def test_no_start_up_noise(finished_run: FinishedRun) -> None:
    noise = ("warning", "cuda", "oneDNN", "XNNPACK", "deprecated", "absl")
    lines = finished_run.output.splitlines()
    assert [line for line in lines if any(word.lower() in line.lower() for word in noise)] == []


def test_the_benchmarks_find_how_fast_embed_was(finished_run: FinishedRun) -> None:
    lines = re.split(r"[\r\n]", finished_run.output)
    rates = embed_rates(MeasuredRun(0, 10, [], [(0, line) for line in lines]), 10)
    assert (rates["images"], rates["by_stage"]) == (600, 60)
    assert rates["by_bar"] > 60


def test_nothing_changed_runs_nothing(finished_run: FinishedRun) -> None:
    assert stages_run(finished_run.again) == []


def test_git_sees_the_parameters_the_locks_and_the_metrics(finished_run: FinishedRun) -> None:
    seen = {line[3:] for line in finished_run.status if line and not line.startswith("!!")}
    assert {"params.yaml", "dvc.lock", "metrics/evaluate.json"} <= seen
    others = seen - {"params.yaml", "dvc.lock", "data/dvc.lock"}
    assert {name for name in others if not name.startswith("metrics/")} == set()


def test_git_ignores_what_dvc_keeps_and_nothing_else_is_left(finished_run: FinishedRun) -> None:
    ignored = {line[3:] for line in finished_run.status if line.startswith("!!")}
    assert {name for name in ignored if not name.endswith("__pycache__/")} == {
        ".dvc/cache/",
        ".dvc/tmp/",
        "data/eval_subset/",
        "data/features/",
        "data/prepared/",
        "data/raw.txt",
        "data/sample/",
        "data/split/",
        "data/.unfinished/",
        "metrics/audit/",
        "metrics/examples.jpg",
        "metrics/mistakes/",
        "metrics/model.txt",
        "metrics/probabilities.npy",
        "models/",
        "report/",
    }
    assert sorted(file.name for file in (finished_run.folder / "models").iterdir()) == [
        "backbone.weights.h5",
        "check.npy",
        "classifier.keras",
        "export",
        "head.weights.h5",
        "labels.txt",
        "probe.npy",
    ]


def test_the_fine_tuned_model_is_accurate_on_the_sample(finished_run: FinishedRun) -> None:
    metrics = read_json(finished_run.folder, "evaluate.json")
    assert metrics["finetuned"]["accuracy"] >= 0.9
    assert metrics["finetuned"]["loss"] < metrics["frozen"]["loss"]


def test_counts_and_scores_cover_the_same_images(finished_run: FinishedRun) -> None:
    counts = read_json(finished_run.folder, "split.json")
    assert counts["classes"] == CLASSES
    assert counts["rejected"] == 0
    for split, images in {"train": 400, "val": 160, "test": 40}.items():
        assert counts[split]["images"] == images
        assert counts[split]["seen_by_backbone"] == 0
        assert set(counts[split]["per_class"].values()) == {images // CLASSES}

    scores = read_json(finished_run.folder, "evaluate.json")
    for model in ("frozen", "finetuned"):
        assert scores[model]["images"] == 40
        assert not {"seen", "unseen"} & scores[model].keys()  # all are of one kind


def test_accuracy_can_be_had_again_from_the_predictions(finished_run: FinishedRun) -> None:
    with (finished_run.folder / "metrics/predictions.csv").open(
        newline="", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))
    right = sum(row["label"] == row["prediction"] for row in rows)
    scores = read_json(finished_run.folder, "evaluate.json")["finetuned"]
    assert (len(rows), right / len(rows)) == (scores["images"], scores["accuracy"])


def test_the_benchmark_finds_a_runs_scores(finished_run: FinishedRun) -> None:
    scores, metrics = (
        pipeline_scores(finished_run.folder),
        read_json(finished_run.folder, "evaluate.json"),
    )
    assert len(scores["val_accuracy"]) == 6
    for model in ("frozen", "finetuned"):
        assert scores[model] == {key: metrics[model][key] for key in ("accuracy", "loss")}


@pytest.mark.parametrize(
    ("stage", "epochs"), [("extract-train", ["1", "2", "3"]), ("finetune", ["4", "5", "6"])]
)
def test_epochs_are_counted_on(finished_run: FinishedRun, stage: str, epochs: list[str]) -> None:
    summary = read_json(finished_run.folder, f"{stage}/metrics.json")
    assert summary["step"] == int(epochs[-1])
    for split in ("train", "val"):
        for metric in ("accuracy", "loss"):
            file = finished_run.folder / f"metrics/{stage}/plots/metrics/{split}/{metric}.tsv"
            with file.open(newline="", encoding="utf-8") as lines:
                rows = list(csv.DictReader(lines, delimiter="\t"))
            assert [row["step"] for row in rows] == epochs
            assert float(rows[-1][metric]) == pytest.approx(summary[split][metric])


def test_every_plot_can_be_shown(project: Path) -> None:
    mistakes = list((project / "metrics/mistakes").iterdir())
    assert {file.suffix for file in mistakes} <= {".jpg", ".svg"}
    shown = run_dvc(project, "plots", "show", "--out", "shown")
    assert "fail" not in shown.lower()
    assert "DVC" not in shown  # its warnings and errors
    assert (project / "shown/index.html").is_file()
    for file in mistakes:  # a model may be right about all
        file.unlink()
    run_dvc(project, "commit", "--force", "evaluate")
    assert "fail" not in run_dvc(project, "plots", "show", "--out", "shown").lower()


def test_images_for_the_eye(finished_run: FinishedRun) -> None:
    assert (finished_run.folder / "metrics/examples.jpg").read_bytes().startswith(b"\xff\xd8")
    assert "Total params: 2,340,618" in (finished_run.folder / "metrics/model.txt").read_text()
