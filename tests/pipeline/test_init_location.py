"""make adopt: where a folder may lie, and how it is kept out of git and of the outputs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from init_command import COMMITTED_PARAMS, PARAMS, adopt, draw_classes, make_project
from pipeline_clones import CHECKOUT, read_pipeline_stages, run_git

from tench.core.params import load_params


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with the committed params.yaml, the current folder."""
    return make_project(tmp_path, monkeypatch)


@pytest.fixture
def repository(project: Path) -> Path:
    """The project as a git repository with the committed pipelines."""
    for name in ("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml", ".gitignore", ".dvcignore"):
        (project / name).parent.mkdir(exist_ok=True)
        shutil.copy(CHECKOUT / name, project / name)
    run_git(project, "init", "--quiet")
    run_git(project, "add", "--all")
    run_git(project, "commit", "--quiet", "--message=test")
    return project


def test_a_folder_that_contains_the_project_is_refused(project: Path) -> None:
    assert f"error: {project}: this folder contains the project" in adopt(".", code=1)
    assert f"error: {project.parent}: this folder contains the project" in adopt("..", code=1)


def test_a_folder_outside_gets_its_absolute_path(project: Path) -> None:
    draw_classes("../elsewhere/flowers")
    adopt("../elsewhere/flowers")
    assert load_params().data.raw == str(project.parent / "elsewhere/flowers")
    PARAMS.write_text(COMMITTED_PARAMS)
    assert "DVC tracks only folders inside the project" in adopt(
        "--track", "../elsewhere/flowers", code=1
    )
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED_PARAMS


def test_track_without_a_commit(project: Path) -> None:
    run_git(project, "init", "--quiet")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    draw_classes("own images")
    adopt("--track", "own images")
    assert Path("own images.dvc").is_file()
    assert load_params().data.raw == "own images"


def test_a_folder_that_dvcignore_hides_is_not_tracked() -> None:
    draw_classes("data/deep/own")
    output = adopt("--track", "data/deep/own", code=1)
    assert output.startswith("error: data/deep/own: .dvcignore lets DVC track folders directly in ")
    assert "Move the folder to data/own" in output


@pytest.mark.parametrize("name", ["flowers", "data/flowers", "models/deep/x", "#1 [x]* "])
def test_a_folder_that_git_would_commit_is_refused_and_nothing_changes(
    repository: Path, name: str
) -> None:
    draw_classes(name)
    output = adopt(name, code=1)
    assert output.startswith(f"error: {name}: git does not ignore this folder, so `dvc exp run`")
    for choice in ("--ignore --", "--track --", "move the folder out of the project"):
        assert choice in output
    assert run_git(repository, "status", "--porcelain").count("\n") == 1  # the folder itself
    assert PARAMS.read_text(encoding="utf-8") == COMMITTED_PARAMS


@pytest.mark.parametrize("name", ["flowers", "data/flowers", "models/deep/x", "#1 [x]* "])
@pytest.mark.parametrize("end", ["", "/other", "/latin-\xe9\n"])
def test_ignore_keeps_any_folder_out_of_git(repository: Path, name: str, end: str) -> None:
    draw_classes(name)
    before = Path(".gitignore").read_bytes() + end.encode("latin-1")
    Path(".gitignore").write_bytes(before)
    adopt("--ignore", "--", name)
    assert load_params().data.raw == name
    assert Path(".gitignore").read_bytes().startswith(before)
    run_git(repository, "add", "--all")
    assert ".png" not in run_git(repository, "ls-files")
    after = Path(".gitignore").read_bytes()
    adopt("--ignore", "--", name)  # again, and without: nothing to add
    adopt("--", name)
    assert Path(".gitignore").read_bytes() == after


def test_track_keeps_a_folder_out_of_git_too(repository: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True)
    draw_classes("data/flowers")
    adopt("--track", "data/flowers")
    run_git(repository, "add", "--all")
    listed = run_git(repository, "ls-files")
    assert "data/flowers.dvc" in listed
    assert ".png" not in listed
    adopt("data/flowers")


@pytest.mark.parametrize("option", ["--ignore", "--track", "--"])
def test_a_folder_that_git_tracks_is_refused_with_the_command(
    repository: Path, option: str
) -> None:
    draw_classes("flowers")
    run_git(repository, "add", "flowers")
    output = adopt(option, "flowers", code=1)
    assert "flowers: git tracks flowers/a/0.png" in output
    command = output.partition("adopt the folder again: ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    adopt("flowers")
    run_git(repository, "add", "--all")
    assert ".png" not in run_git(repository, "ls-files")


OUTS = sorted({out for stage in read_pipeline_stages().values() for out in stage.outs})
GENERATED = {"data/imagenette", "data/sample"}


@pytest.mark.parametrize("out", OUTS)
def test_a_folder_that_contains_equals_or_lies_in_an_output_is_refused(
    repository: Path, out: str
) -> None:
    if out not in GENERATED:
        for folder in (out, f"{out}/deep"):
            draw_classes(folder)
            output = adopt("--ignore", folder, code=1)
            assert output.startswith(
                f"error: {folder}: the pipeline writes {out} and deletes everything "
            )
            assert f"Move the images: mv -- {folder} data/mine\n" in output
            shutil.rmtree(out)
    for above in list(Path(out).parents)[:-1]:
        draw_classes(f"{above}/train")
        draw_classes(f"{above}/val")
        output = adopt(str(above), code=1)
        assert output.startswith(f"error: {above}: the pipeline writes {above}/")
        goal = "data/mine"
        assert f"mkdir {goal} && mv -- {above}/train {above}/val {goal}\n" in output
        subprocess.run(["sh", "-c", output[output.index("mkdir") :]], check=True)
        adopt("--ignore", goal)
        shutil.rmtree(goal)


@pytest.mark.parametrize("raw", ["data/sample", "data/imagenette", "data/sample/train"])
def test_generated_data_sets_may_be_adopted(repository: Path, raw: str) -> None:
    draw_classes(raw)
    adopt(raw)
    assert load_params().data.raw == raw


def test_an_output_that_is_a_link_is_found(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    Path("data/prepared").symlink_to(tmp_path / "disk")
    draw_classes("../disk")
    assert "the pipeline writes data/prepared and deletes" in adopt("../disk", code=1)
