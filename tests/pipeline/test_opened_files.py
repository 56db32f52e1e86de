"""What stages open: nothing of the project but what dvc.yaml has them depend on, or write."""

import sys
from pathlib import Path

import pytest
from pipeline_clones import FinishedRun, opened_file, read_pipeline_stages, set_params

from tench.core import paths
from tench.core.files import write_json
from tench.core.params import load_params
from tench.report.page.contents import report_contents

STAGES = read_pipeline_stages()
# What every stage may open: parameters, the pipelines' own files, and records of the run itself.
ALLOWED = {
    *("params.yaml", "packages.yaml", "requirements.lock", "metrics/costs.json"),
    *("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml"),
    *("dvc.lock", "data/dvc.lock", "baseline/dvc.lock"),
    *("tench/__init__.py", "stages/__init__.py", "report/runs", "data/.unfinished"),
    "tench/run",  # which cannot change an output: NEUTRAL in tests/lint/test_architecture.py
}
# Beside its page, `report` writes another that DVC does not know of, from everything there is.
TRACED = sorted(STAGES.keys() - {"report", "imagenette", "baseline"})
DVCLIVE = {".git", ".dvc", ".gitignore", ".dvcignore"}  # to it, a run may be an experiment
# An index has a digest of every image, which readers check: who depends on it depends on them.
INDEXES = {"data/split", "data/prepared/images.csv"}
SOURCES = ("raw", "sample")  # their code is no dependency: what they leave is verified


def undeclared(stage: str, opened: set[str]) -> set[str]:
    """The files among `opened` that a stage neither depends on nor writes."""
    known = {dep.replace("${data.raw}", "data/sample") for dep in STAGES[stage].deps}
    known |= STAGES[stage].outs | ALLOWED
    return {one for one in opened if known.isdisjoint(map(str, (one, *Path(one).parents)))}


def by_stage(base: FinishedRun) -> dict[str, set[str]]:
    """The files of the project that each stage of a finished run has opened and that are still
    there; compiled code as its source."""
    found: dict[str, set[str]] = {}
    for line in opened_file(base.folder).read_text(encoding="utf-8").splitlines():
        stage, file = line.split("\t")
        place = Path(file)
        if place.parent.name == "__pycache__":
            place = place.parent.parent / f"{place.name.split('.')[0]}.py"
        if (base.folder / place).is_file():
            found.setdefault(stage.split(":")[-1], set()).add(place.as_posix())
    return found


@pytest.mark.parametrize("stage", TRACED)
def test_a_stage_opens_nothing_that_it_does_not_depend_on(
    finished_run: FinishedRun, stage: str
) -> None:
    opened = by_stage(finished_run)[stage]
    assert f"{STAGES[stage].module.replace('.', '/')}.py" in opened  # or nothing was written down
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
    """The files that this process opens for reading; hooks stay, so it is one for all tests."""
    found: set[str] = set()

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | Path):
            found.add(str(arguments[0]))

    sys.addaudithook(note)
    return found


@pytest.mark.parametrize("patience", [0, 2])
@pytest.mark.parametrize("solver", ["adam", "logistic"])
def test_the_reports_page_is_made_of_what_its_stage_depends_on(
    report_project: Path, noted: set[str], patience: int, solver: str
) -> None:
    write_json({"kept_epoch": 5}, paths.FINETUNE_SCORES)
    set_params(report_project, {"finetune.patience": patience, "extract_train.solver": solver})
    noted.clear()
    report_contents(load_params())
    opened = {file for file in noted if file.startswith(("data/", "metrics/", "models/"))}
    assert {"metrics/evaluate.json", "data/split/index.csv"} <= opened
    assert undeclared("report", opened) == set()
