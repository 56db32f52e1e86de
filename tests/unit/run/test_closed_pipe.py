"""Commands whose standard output is closed before they finish (`| head`)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT
from small_images import write_small_images

from tench.core.params import load_params
from tench.core.paths import PARAMS


def closed_at_once(
    folder: Path, *command: str, unbuffered: str = ""
) -> subprocess.CompletedProcess[bytes]:
    """Run a module with a closed reader of its standard output."""
    read, write = os.pipe()
    os.close(read)
    try:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": unbuffered},
            stdout=write,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(write)


@pytest.fixture
def project(report_project: Path) -> Path:
    """A project made by hand, in git, with a folder of images beside it."""
    shutil.copy(CHECKOUT / PARAMS, PARAMS)
    write_small_images(*(f"{name}/{n}.png" for name in ("a", "b") for n in range(20)))
    (report_project / ".git/info").mkdir(parents=True, exist_ok=True)
    (report_project / ".git/info/exclude").write_text("/raw\n")  # as a user keeps images out of git
    return report_project


@pytest.mark.parametrize(
    "command",
    [
        ("tench.backbones",),
        ("tench.backbones", "MobileNetV2"),
        ("tench.data.init", "raw"),
        ("tench.report.metrics_table",),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough_is_no_error(
    project: Path, command: tuple[str, ...], unbuffered: str
) -> None:
    answer = closed_at_once(project, *command, unbuffered=unbuffered)
    assert answer.returncode == 0, answer.stderr
    assert b"Error" not in answer.stderr
    assert b"error" not in answer.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_parameters_are_set_although_nobody_reads_which(project: Path, unbuffered: str) -> None:
    closed_at_once(project, "tench.data.init", "raw", unbuffered=unbuffered)
    assert load_params().data.raw == "raw"


@pytest.mark.parametrize("code", [0, 1, "error: a reason"])
def test_an_exit_keeps_its_code(code: int | str, tmp_path: Path) -> None:
    program = (
        "import sys\nfrom tench.run.silence import ignore_closed_pipe\n"
        f"with ignore_closed_pipe():\n    print('x' * 100)\n    sys.exit({code!r})\n"
    )
    (tmp_path / "program.py").write_text(program)
    answer = closed_at_once(tmp_path, "program")
    assert answer.returncode == (code if isinstance(code, int) else 1)
    assert answer.stderr.decode().strip() == (code if isinstance(code, str) else "")
