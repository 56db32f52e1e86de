"""The classifier as an artifact: registered, promoted, fetched; from a clone without data too."""

import json
import sys
from pathlib import Path

import pytest
from pipeline_clones import FinishedRun, copy_finished_run, run_command, run_dvc, run_git

from tench.deploy.runtime.export_folder import FORMAT_VERSION

NAME = "classifier"


@pytest.fixture(scope="module")
def registry(finished_run: FinishedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished clone whose export is on a remote beside it."""
    top = tmp_path_factory.mktemp("registry")
    project = copy_finished_run(finished_run.folder, top / "project")
    run_dvc(project, "remote", "add", "--default", "store", str(top / "store"))
    run_git(project, "commit", "--quiet", "--all", "--message=remote")
    run_dvc(project, "push", "models/export")
    return project


def gto(folder: Path, *arguments: str) -> str:
    answer = run_command(folder, str(Path(sys.executable).with_name("gto")), *arguments)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def test_register_promote_and_fetch(registry: Path, tmp_path: Path) -> None:
    assert f"Created git tag '{NAME}@v0.0.1'" in gto(registry, "register", NAME)
    gto(registry, "assign", NAME, "--version", "v0.0.1", "--stage", "prod")
    assert "v0.0.1" in gto(registry, "show", NAME)
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "--quiet", str(registry), str(clone))
    fetched = tmp_path / "fetched"
    run_dvc(
        tmp_path, "artifacts", "get", str(clone), NAME, "--stage", "prod", "--out", str(fetched)
    )
    original = registry / "models/export"
    names = sorted(file.name for file in original.iterdir())
    assert sorted(file.name for file in fetched.iterdir()) == names
    for name in ("model.json", "float32.tflite"):
        assert (fetched / name).read_bytes() == (original / name).read_bytes()


def test_a_clone_without_data_gives_the_model(registry: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "--quiet", str(registry), str(clone))
    run_dvc(tmp_path, "get", str(clone), "models/export", "--out", str(tmp_path / "got"))
    assert json.loads((tmp_path / "got/model.json").read_text())["format"] == FORMAT_VERSION
    run_dvc(clone, "pull", "models/export")
    assert not (clone / "data/prepared").exists()
    image = next((registry / "data/sample/val/n01440764").iterdir())
    said = run_command(clone, sys.executable, "-m", "tench.predict", str(image))
    assert said.stdout.splitlines()[1].split(",")[1] == "fish"
