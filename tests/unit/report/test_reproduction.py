"""Differences between results and the commit, with handmade lock files."""

import shutil
from pathlib import Path

import pytest
from pipeline_clones import commit_all, run_git
from report_project import read_locked_stages, table_texts, write_pipeline_lock, write_stage_lock

from tench.core import paths
from tench.core.files import write_text
from tench.report.page.publish import publish
from tench.report.page.reproduction import (
    external_inputs,
    reproduction_obstacles,
    reproduction_section,
)
from tench.run.dvc_digest import dvc_digest


def set_params(**values: object) -> None:
    """Set values in the text of params.yaml, by key without its section."""
    text = paths.PARAMS.read_text(encoding="utf-8")
    for key, value in values.items():
        line = next(one for one in text.splitlines() if one.strip().startswith(f"{key}:"))
        text = text.replace(line, f"{line.split(':')[0]}: {value}")
    write_text(text, paths.PARAMS)


def test_committed_results_are_reproduced_by_two_commands(report_project: Path) -> None:
    run_git(
        report_project, "remote", "add", "origin", "https://me:secret@example.com/a/b.git?token=x"
    )
    run_git(report_project, "update-ref", "refs/remotes/origin/main", "HEAD")
    write_stage_lock("imagenette", outs=[paths.IMAGENETTE], pipeline=1)
    shown = reproduction_section(read_locked_stages())
    assert shown is not None
    assert shown["obstacles"] == shown["external_inputs"] == shown["parameters"]["rows"] == []
    head = run_git(report_project, "rev-parse", "HEAD").strip()
    assert shown["commit"] == head
    publish(ended=True)
    text = paths.REPORT_INDEX.read_text(encoding="utf-8")
    assert f"<pre>git checkout {head}\ndvc repro\n</pre>" in text
    assert "secret" not in text
    assert "cannot be reproduced" not in text
    commit_nothing_but_docs = Path("notes.txt")
    commit_nothing_but_docs.write_text("changes no result")
    assert reproduction_section(read_locked_stages()) == shown


def test_parameters_that_differ_from_the_commit_are_listed(report_project: Path) -> None:
    write_pipeline_lock(
        **{"data.raw": "data/sample", "finetune.learning_rate": 1e-5, "backbone.cache_at": 100}
    )
    set_params(raw="data/sample", fine_tune_at=129, cache_at=100, image_size=224)
    write_stage_lock("sample", outs=[paths.SAMPLE], pipeline=1)
    shown = reproduction_section(read_locked_stages())
    assert shown is not None
    assert table_texts(shown["parameters"]) == [  # no result was made with image_size yet
        ["data.raw", '"data/imagenette"', '"data/sample"'],
        ["backbone.cache_at", "125", "100"],
        ["finetune.learning_rate", "0.0001", "1e-05"],
    ]
    commit_all(report_project)  # with what the results were made with, and more
    shown = reproduction_section(read_locked_stages())
    assert shown is not None
    keys = [row[0] for row in table_texts(shown["parameters"])]
    assert keys == ["data.image_size", "finetune.fine_tune_at", "finetune.learning_rate"]


def test_stages_with_different_parameters_are_reported(report_project: Path) -> None:
    write_stage_lock("finetune", [paths.INDEX], [paths.CLASSIFIER], params={"seed": 43})
    assert (
        "stages ran with different values of seed (42 and 43): run dvc repro"
        in reproduction_obstacles(read_locked_stages())
    )


def test_uncommitted_code_is_reported(report_project: Path) -> None:
    assert reproduction_obstacles(read_locked_stages()) == []
    write_text("code = 2\n", Path("tench/code.py"))
    write_text("", Path("stages/new ö.py"))
    write_text("new: 1\n", Path("dvc.yaml"))
    write_pipeline_lock()  # all ran with it
    assert reproduction_obstacles(read_locked_stages()) == [
        "uncommitted changes in dvc.yaml, stages/new ö.py, tench/code.py: commit them"
    ]
    commit_all(report_project)
    assert reproduction_obstacles(read_locked_stages()) == []


def test_results_of_older_code_are_reported(report_project: Path) -> None:
    write_text("code = 2\n", Path("tench/code.py"))
    commit_all(report_project)  # but nothing has run with it
    assert reproduction_obstacles(read_locked_stages()) == [
        "tench has changed since finetune ran: run dvc repro"
    ]


def test_changed_input_of_a_stage_is_reported(report_project: Path) -> None:
    write_stage_lock("split", [paths.PREPARED_INDEX], [paths.SPLIT], params={"seed": 42})
    write_text("path\nother\n", paths.INDEX)
    assert reproduction_obstacles(read_locked_stages()) == [
        "data/split/index.csv has changed since finetune ran: run dvc repro"
    ]
    shutil.rmtree(paths.SPLIT)  # only in DVC's cache
    assert reproduction_obstacles(read_locked_stages()) == []


def test_package_versions_that_differ_from_the_commit_are_reported(report_project: Path) -> None:
    write_stage_lock("prepare", [], [paths.PREPARED], packages={"keras": "3.12.0"})
    assert (
        'package versions differ from the commit: keras "3.12.0" instead of "3.13.0"'
        in reproduction_obstacles(read_locked_stages())
    )


def test_own_images_and_weights_are_external_inputs(report_project: Path) -> None:
    assert external_inputs(read_locked_stages()) == [
        "the images in data/imagenette"
    ]  # nothing locked made them
    own = report_project / "own"
    write_text("image", own / "train/dog/a.jpg")
    values = {"data.raw": f"{own}/", "backbone.weights": "my.weights.h5"}
    write_pipeline_lock(**{"data.raw": str(own)})
    write_stage_lock("weights", params={"backbone.weights": values["backbone.weights"]})
    assert external_inputs(read_locked_stages()) == [
        f"the images in {own} (DVC digest: {dvc_digest(own)})",
        "the weights my.weights.h5",
    ]
    assert reproduction_obstacles(read_locked_stages()) == []
    write_text("more", own / "train/dog/b.jpg")  # raw images are not read for the report
    assert reproduction_obstacles(read_locked_stages()) == []


def test_a_project_in_a_folder_of_a_repository(
    report_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (report_project / "sub dir").mkdir()
    for name in ("tench", "params.yaml", "packages.yaml"):
        run_git(report_project, "mv", name, "sub dir")
    commit_all(report_project)
    for name in ("data", "models", "report", "metrics", "dvc.lock"):
        Path(name).rename(f"sub dir/{name}")
    monkeypatch.chdir(report_project / "sub dir")
    shown = reproduction_section(read_locked_stages())
    assert shown is not None
    assert shown["obstacles"] == shown["parameters"]["rows"] == []


def test_outside_of_git_no_commit_is_named(report_project: Path) -> None:
    shutil.rmtree(".git")
    assert reproduction_section(read_locked_stages()) is None
    publish(ended=True)
    text = paths.REPORT_INDEX.read_text(encoding="utf-8")
    assert "not in a git repository" in text
    assert "git checkout" not in text
