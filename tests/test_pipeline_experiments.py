"""DVC's experiments on the pipeline: in the workspace, in the queue, in a temporary folder."""

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from clones import dvc, git, ran, run

PATIENCE = 300  # seconds for a queued experiment


def experiments(project: Path) -> dict[str, dict[str, str]]:
    """`dvc exp show` by experiment name; `workspace` and the branch are there too."""
    rows = list(csv.DictReader(io.StringIO(dvc(project, "exp", "show", "--csv"))))
    return {row["Experiment"] or row["rev"]: row for row in rows}


def difference(project: Path, what: str) -> dict[str, tuple[Any, Any]]:
    """`dvc metrics diff` or `dvc params diff`: key to old and new value, over all files."""
    files = json.loads(dvc(project, what, "diff", "--json"))
    return {key: (v["old"], v["new"]) for file in files.values() for key, v in file.items()}


def comparison(project: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """What `python -m tench.compare` says: a row for every group, by name, and notes."""
    answer = run(project, sys.executable, "-m", "tench.compare", "--format", "csv")
    assert answer.returncode == 0, answer.stdout
    notes = [line for line in answer.stdout.splitlines() if line.startswith("- ")]
    table = [line for line in answer.stdout.splitlines() if line not in notes]
    return {row["name"]: row for row in csv.DictReader(table)}, notes


def wait_for_queue(project: Path) -> str:
    """Wait until no experiment of the queue waits or runs; return `dvc queue status`."""
    end = time.monotonic() + PATIENCE
    while True:
        status = dvc(project, "queue", "status")
        if not any(word in status for word in ("Queued", "Running")):
            return status
        if time.monotonic() > end:
            dvc(project, "queue", "stop", "--kill")
            raise TimeoutError(status)
        time.sleep(1)


@pytest.mark.experiments
def test_experiments_in_a_queue_in_a_temporary_folder_and_in_the_workspace(
    own_project: Path, tmp_path: Path
) -> None:
    project = own_project
    untouched = git(project, "status", "--porcelain")
    # From what embed wrote the head alone learns; from layer 150 on, it takes other activations,
    # which both stages and all folders share.
    dvc(project, "exp", "run", "--queue", "--name", "grid", "-S", "finetune.fine_tune_at=154,150")
    dvc(project, "queue", "start", "--jobs", "1")
    assert wait_for_queue(project).count("Success") == 2
    assert ran(dvc(project, "queue", "logs", "grid-1")) == [
        "raw",  # links the pictures
        "finetune",
        "evaluate",
        "export",
        "report",
    ]
    assert ran(dvc(project, "queue", "logs", "grid-2")) == ["raw"]  # as it was run before
    kept = project / ".dvc/cache/activations"
    assert len([folder for folder in kept.iterdir() if folder.is_dir()]) == 1

    # The same again, in another folder, finds everything in the cache that all folders share.
    settings = ("--name", "elsewhere", "-S", "finetune.fine_tune_at=154")
    output = dvc(project, "exp", "run", "--temp", *settings)
    assert ran(output) == ["raw"]
    for stage in ("finetune", "evaluate", "export", "report"):
        assert f"Stage '{stage}' is cached - skipping run, checking out outputs" in output
    assert git(project, "status", "--porcelain") == untouched

    # They are compared from git alone, here and in a fresh clone; equal ones count once.
    fresh = tmp_path / "fresh"
    git(tmp_path, "clone", "--quiet", str(project), str(fresh))
    git(fresh, "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    rows, notes = comparison(project)
    assert (rows, notes) == comparison(fresh)
    assert rows.keys() == {"HEAD", "elsewhere"}
    tuned_at = {name: row["finetune.fine_tune_at"] for name, row in rows.items()}
    assert tuned_at == {"HEAD": "150", "elsewhere": "154"}
    assert rows["elsewhere"]["verdict"] in {"better", "worse", "not shown to differ"}
    assert float(rows["elsewhere"]["seconds"]) > 0  # as grid-1 was run, which is the same
    assert rows["elsewhere"]["stages"] == "4"
    scores = json.loads(
        git(project, "show", f"{rows['elsewhere']['commits']}:metrics/evaluate.json")
    )
    assert float(rows["elsewhere"]["test_accuracy"]) == scores["finetuned"]["accuracy"]
    pictures = json.loads((project / "metrics/split.json").read_text())["test"]["pictures"]
    assert int(rows["elsewhere"]["pictures_paired"]) == pictures
    for name, kept in (("grid-1", "elsewhere"), ("grid-2", "HEAD")):
        assert f"- {name} has the parameters and the seed of {kept}: counted once." in notes

    # In the workspace everything is found in the cache, too, and compared with what was there.
    assert (
        ran(dvc(project, "exp", "run", "--name", "here", "-S", "finetune.fine_tune_at=154")) == []
    )
    assert difference(project, "params") == {"finetune.fine_tune_at": (150, 154)}
    changed = difference(project, "metrics")
    assert "finetuned.loss" in changed
    assert not [key for key in changed if key.startswith("frozen")]
    for command, revisions in (("show", []), ("diff", ["HEAD", "grid-1"])):
        dvc(project, "plots", command, "--out", str(tmp_path / command), *revisions)
        page = (tmp_path / command / "index.html").read_text(encoding="utf-8")
        for title in ("Accuracy of training", "Loss of training", "Confusion matrix"):
            assert title in page
        assert sorted(file.suffix for file in (tmp_path / command / "static").iterdir())

    dvc(project, "exp", "apply", "grid-1")
    shown = experiments(project)
    assert float(shown["grid-1"]["finetune.fine_tune_at"]) == 154
    for column in ("finetune.fine_tune_at", "finetuned.loss", "models/classifier.keras"):
        assert (
            len({shown[name][column] for name in ("workspace", "grid-1", "elsewhere", "here")}) == 1
        )
    assert shown["workspace"]["finetuned.loss"] != shown["grid-2"]["finetuned.loss"]
    assert ran(dvc(project, "repro")) == []
