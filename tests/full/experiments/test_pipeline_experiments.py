"""DVC's experiments on the pipeline: in the workspace, in the queue, in a temporary folder."""

import csv
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from pipeline_clones import run_command, run_dvc, run_git, stages_run

PATIENCE = 300  # seconds for a queued experiment


def experiments(project: Path) -> dict[str, dict[str, str]]:
    """`dvc exp show` by experiment name; `workspace` and the branch are there too."""
    rows = list(csv.DictReader(io.StringIO(run_dvc(project, "exp", "show", "--csv"))))
    return {row["Experiment"] or row["rev"]: row for row in rows}


def difference(project: Path, what: str) -> dict[str, tuple[Any, Any]]:
    """`dvc metrics diff` or `dvc params diff`: key to old and new value, over all files."""
    files = json.loads(run_dvc(project, what, "diff", "--json"))
    return {key: (v["old"], v["new"]) for file in files.values() for key, v in file.items()}


def comparison(project: Path) -> tuple[dict[str, dict[str, str]], list[str]]:
    """What `python -m tench.compare` says: a row for every group, by name, and notes."""
    answer = run_command(project, sys.executable, "-m", "tench.compare", "--format", "csv")
    assert answer.returncode == 0, answer.stdout
    notes = [line for line in answer.stdout.splitlines() if line.startswith("- ")]
    table = [line for line in answer.stdout.splitlines() if line not in notes]
    return {row["name"]: row for row in csv.DictReader(table)}, notes


def wait_for_queue(project: Path) -> str:
    """Wait until no experiment of the queue waits or runs; return `dvc queue status`."""
    end = time.monotonic() + PATIENCE
    while True:
        status = run_dvc(project, "queue", "status")
        if not any(word in status for word in ("Queued", "Running")):
            return status
        if time.monotonic() > end:
            run_dvc(project, "queue", "stop", "--kill")
            raise TimeoutError(status)
        time.sleep(1)


def test_experiments_in_a_queue_in_a_temporary_folder_and_in_the_workspace(
    own_project: Path, tmp_path: Path
) -> None:
    project = own_project
    untouched = run_git(project, "status", "--porcelain")
    # 154 trains the head alone, 150 is the committed run: both read the activations of one embed.
    run_dvc(
        project, "exp", "run", "--queue", "--name", "grid", "-S", "finetune.fine_tune_at=154,150"
    )
    run_dvc(project, "queue", "start", "--jobs", "1")
    assert wait_for_queue(project).count("Success") == 2
    assert stages_run(run_dvc(project, "queue", "logs", "grid-1")) == [
        "raw",  # links the images
        "finetune",
        "evaluate",
        "export",
        "report",
    ]
    assert stages_run(run_dvc(project, "queue", "logs", "grid-2")) == [
        "raw"
    ]  # as it was run before

    # The same again, in another folder, finds everything in the cache that all folders share.
    settings = ("--name", "elsewhere", "-S", "finetune.fine_tune_at=154")
    output = run_dvc(project, "exp", "run", "--temp", *settings)
    assert stages_run(output) == ["raw"]
    for stage in ("finetune", "evaluate", "export", "report"):
        assert f"Stage '{stage}' is cached - skipping run, checking out outputs" in output
    assert run_git(project, "status", "--porcelain") == untouched

    # They are compared from git alone, here and in a fresh clone; equal ones count once.
    fresh = tmp_path / "fresh"
    run_git(tmp_path, "clone", "--quiet", str(project), str(fresh))
    run_git(fresh, "fetch", "--quiet", "origin", "refs/exps/*:refs/exps/*")
    rows, notes = comparison(project)
    assert (rows, notes) == comparison(fresh)
    assert rows.keys() == {"HEAD", "elsewhere"}
    tuned_at = {name: row["finetune.fine_tune_at"] for name, row in rows.items()}
    assert tuned_at == {"HEAD": "150", "elsewhere": "154"}
    assert rows["elsewhere"]["verdict"] in {"better", "worse", "not significant"}
    assert float(rows["elsewhere"]["seconds"]) > 0  # as grid-1 was run, which is the same
    assert rows["elsewhere"]["stages"] == "4"
    scores = json.loads(
        run_git(project, "show", f"{rows['elsewhere']['commits']}:metrics/evaluate.json")
    )
    assert float(rows["elsewhere"]["test_accuracy"]) == scores["finetuned"]["accuracy"]
    images = json.loads((project / "metrics/split.json").read_text())["test"]["images"]
    assert int(rows["elsewhere"]["images_paired"]) == images
    for name, kept in (("grid-1", "elsewhere"), ("grid-2", "HEAD")):
        assert f"- {name} has the same parameters and seed as {kept}: counted once." in notes

    # In the workspace everything is found in the cache, too, and compared with what was there.
    assert (
        stages_run(
            run_dvc(project, "exp", "run", "--name", "here", "-S", "finetune.fine_tune_at=154")
        )
        == []
    )
    assert difference(project, "params") == {"finetune.fine_tune_at": (150, 154)}
    changed = difference(project, "metrics")
    assert "finetuned.loss" in changed
    assert not [key for key in changed if key.startswith("frozen")]
    for command, revisions in (("show", []), ("diff", ["HEAD", "grid-1"])):
        run_dvc(project, "plots", command, "--out", str(tmp_path / command), *revisions)
        page = (tmp_path / command / "index.html").read_text(encoding="utf-8")
        for title in ("Accuracy on training", "Loss on training", "Confusion matrix"):
            assert title in page
        assert sorted(file.suffix for file in (tmp_path / command / "static").iterdir())

    run_dvc(project, "exp", "apply", "grid-1")
    shown = experiments(project)
    assert float(shown["grid-1"]["finetune.fine_tune_at"]) == 154
    for column in ("finetune.fine_tune_at", "finetuned.loss", "models/classifier.keras"):
        assert (
            len({shown[name][column] for name in ("workspace", "grid-1", "elsewhere", "here")}) == 1
        )
    assert shown["workspace"]["finetuned.loss"] != shown["grid-2"]["finetuned.loss"]
    assert stages_run(run_dvc(project, "repro")) == []
