"""Nothing is written outside the project, DVC's cache and the temporary folder."""

import sys
from pathlib import Path

import pytest
from classifier_server import post_body, start_server
from home_folder import isolate_home, list_tree
from pipeline_clones import CHECKOUT, FinishedRun, run_command


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, where libraries write by default."""
    return isolate_home(tmp_path, monkeypatch)


def must(folder: Path, *arguments: str, **variables: str) -> None:
    """Run Python, which must succeed."""
    answer = run_command(folder, sys.executable, *arguments, **variables)
    assert answer.returncode == 0, answer.stdout


def test_libraries_write_into_the_home_by_default(home: Path) -> None:
    """Or the tests below would hold nothing."""
    must(CHECKOUT, "-c", "import keras, matplotlib.font_manager", KERAS_BACKEND="tensorflow")
    assert {".cache/matplotlib", ".keras/keras.json"} <= set(list_tree(home))


@pytest.mark.parametrize("runtime", ["float32", "onnx"])
def test_predict_writes_nothing_into_the_home(
    finished_run: FinishedRun, home: Path, runtime: str
) -> None:
    export, images = (
        finished_run.folder / "models/export",
        finished_run.folder / "data/sample/val/n01440764",
    )
    must(CHECKOUT, "-m", "tench.predict", f"--model={export}", f"--runtime={runtime}", str(images))
    assert list_tree(home) == []


@pytest.mark.parametrize("runtime", ["float32", "onnx"])
def test_the_server_writes_nothing_into_the_home(
    finished_run: FinishedRun, home: Path, tmp_path: Path, sample_image: bytes, runtime: str
) -> None:
    with start_server(
        finished_run.folder / "models/export", tmp_path, "--runtime", runtime
    ) as server:
        assert post_body(server, sample_image, path="predict?explain=true")[0] == 200
    assert list_tree(home) == []


def test_export_and_the_report_write_nothing_into_the_home(project: Path, home: Path) -> None:
    for stage in ("stages.export", "stages.report", "tench.report.page.publish"):
        must(project, "-m", stage)
        assert list_tree(home) == [], stage
