"""Nothing is written outside the project, DVC's cache and the temporary folder."""

import os
import sys
from pathlib import Path

import pytest
from classifier_server import post_body, start_server
from pipeline_clones import CHECKOUT, FinishedRun, run_base_pipeline, run_command

# What would lead a library elsewhere than into the user's home, or keep it from writing: `tench`
# sets some of them in this very process, and ONNX Runtime sends nothing where CI is set.
LEADING = ("CI", "KERAS_", "MPL", "ORT_", "XDG_")
SYSTEM = "/usr/bin:/bin"  # no shim of rustup, which pip asks for its version and which then writes


def files(folder: Path) -> list[str]:
    """Every file and folder below a folder."""
    return sorted(str(one.relative_to(folder)) for one in folder.rglob("*"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, which nothing leads libraries away from."""
    for name in [name for name in os.environ if name.startswith(LEADING)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{SYSTEM}")
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def must(folder: Path, *arguments: str, **variables: str) -> None:
    """Run Python, which must succeed."""
    answer = run_command(folder, sys.executable, *arguments, **variables)
    assert answer.returncode == 0, answer.stdout


def test_libraries_write_into_the_home_unless_told_otherwise(home: Path) -> None:
    """Or the tests below would hold nothing."""
    must(CHECKOUT, "-c", "import keras, matplotlib.font_manager", KERAS_BACKEND="tensorflow")
    assert {".cache/matplotlib", ".keras/keras.json"} <= set(files(home))


@pytest.mark.parametrize("runtime", ["float32", "onnx"])
def test_predict_writes_nothing_into_the_home(base: FinishedRun, home: Path, runtime: str) -> None:
    export, images = base.folder / "models/export", base.folder / "data/sample/val/n01440764"
    must(CHECKOUT, "-m", "tench.predict", f"--model={export}", f"--runtime={runtime}", str(images))
    assert files(home) == []


@pytest.mark.parametrize("runtime", ["float32", "onnx"])
def test_the_server_writes_nothing_into_the_home(
    base: FinishedRun, home: Path, tmp_path: Path, fish: bytes, runtime: str
) -> None:
    with start_server(base.folder / "models/export", tmp_path, "--runtime", runtime) as server:
        assert post_body(server, fish, path="predict?explain=true")[0] == 200
    assert files(home) == []


def test_export_and_the_report_write_nothing_into_the_home(project: Path, home: Path) -> None:
    for stage in ("stages.export", "stages.report", "tench.report.page.publish"):
        must(project, "-m", stage)
        assert files(home) == [], stage


@pytest.mark.experiments
def test_a_whole_run_writes_nothing_into_the_home(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    run_base_pipeline(folder)
    assert files(home) == []
