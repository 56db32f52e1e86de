"""Stages open no project files except their dependencies and outputs in dvc.yaml."""

import sys
from pathlib import Path

import pytest
from pipeline_clones import FinishedRun, opened_file, read_pipeline_stages, set_params

from tench.core import paths
from tench.core.files import write_json
from tench.core.params import load_params
from tench.report.page.contents import report_contents

STAGES = read_pipeline_stages()
# Files that every stage may open: parameters, the pipelines' files, and records of the run.
ALLOWED = {
    *("params.yaml", "packages.yaml", "requirements.lock", "metrics/costs.json"),
    *("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml"),
    *("dvc.lock", "data/dvc.lock", "baseline/dvc.lock"),
    *("tench/__init__.py", "stages/__init__.py", "report/runs", "data/.unfinished"),
    "tench/run",  # NEUTRAL in tests/lint/test_architecture.py
}
# `report` also writes report/index.html, which is no DVC output, from all available files.
TRACED = sorted(STAGES.keys() - {"report", "imagenette", "baseline"})
DVCLIVE = {
    ".git",
    ".dvc",
    ".gitignore",
    ".dvcignore",
}  # DVCLive checks whether the run is an experiment
# An index has the digest of every image, so a dependency on it covers the images.
INDEXES = {"data/split", "data/prepared/images.csv"}
SOURCES = ("raw", "sample")  # their code is no dependency, because their outputs are verified


def undeclared(stage: str, opened: set[str]) -> set[str]:
    """Return the files in `opened` that are neither dependencies nor outputs of a stage."""
    known = {dep.replace("${data.raw}", "data/sample") for dep in STAGES[stage].deps}
    known |= STAGES[stage].outs | ALLOWED
    return {
        file
        for file in opened
        if known.isdisjoint(map(str, (file, *Path(file).parents)))
        and Path(file).name != "__init__.py"  # a docstring alone (tests/lint/test_architecture.py)
    }


def by_stage(base: FinishedRun) -> dict[str, set[str]]:
    """Return the existing project files that each stage of a finished run opened.

    Compiled code is listed as its source.
    """
    opened: dict[str, set[str]] = {}
    for line in opened_file(base.folder).read_text(encoding="utf-8").splitlines():
        stage, file = line.split("\t")
        path = Path(file)
        if path.parent.name == "__pycache__":
            path = path.parent.parent / f"{path.name.split('.')[0]}.py"
        if (base.folder / path).is_file():
            opened.setdefault(stage.split(":")[-1], set()).add(path.as_posix())
    return opened


@pytest.mark.parametrize("stage", TRACED)
def test_stage_opens_only_declared_files(finished_run: FinishedRun, stage: str) -> None:
    opened = by_stage(finished_run)[stage]
    assert (
        f"{STAGES[stage].module.replace('.', '/')}.py" in opened
    )  # otherwise nothing was recorded
    allowed: set[str] = set()
    if stage in SOURCES:
        allowed |= {"stages", "tench"}
    if STAGES[stage].deps & INDEXES:
        allowed |= {"data/prepared", "data/sample"}
    if "dvclive" in STAGES[stage].packages:
        allowed |= DVCLIVE
    assert {
        file
        for file in undeclared(stage, opened)
        if allowed.isdisjoint(map(str, (Path(file), *Path(file).parents)))
    } == set()


@pytest.fixture(scope="module")
def noted() -> set[str]:
    """Files that this process opens. Audit hooks cannot be removed, so all tests share one."""
    found: set[str] = set()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | Path):
            found.add(str(arguments[0]))

    sys.addaudithook(note)
    return found


@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("solver", ["adam", "logistic"])
def test_report_page_reads_only_declared_files(
    report_project: Path, noted: set[str], patience: int, solver: str
) -> None:
    write_json({"kept_epoch": 5}, paths.FINETUNE_SCORES)
    set_params(report_project, {"finetune.patience": patience, "extract_train.solver": solver})
    noted.clear()
    report_contents(load_params())
    opened = {file for file in noted if file.startswith(("data/", "metrics/", "models/"))}
    assert {"metrics/evaluate.json", "data/split/index.csv"} <= opened
    assert undeclared("report", opened) == set()
