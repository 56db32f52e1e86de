"""Missing resources: a stage fails with one line on where and how to fix it, and can run again."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_clones import error_line, run_command

from tench.run.dvc_digest import dvc_digest

SMALL = "mount -t tmpfs -o size=100k none data/.unfinished"
READ_ONLY = (
    "mount --bind data/.unfinished data/.unfinished && mount -o remount,ro,bind data/.unfinished"
)


def refused(project: Path, mount: str, module: str) -> str:
    """Run a stage in a mount namespace of its own; return its error output."""
    (project / "data/.unfinished").mkdir(exist_ok=True)
    shell = f'{mount} && echo mounted && exec "$@"'
    stage = [sys.executable, "-m", module]
    try:
        answer = run_command(project, "unshare", "-rm", "sh", "-c", shell, "sh", *stage)
    except FileNotFoundError:
        pytest.skip("no unshare to give a process a mount of its own")
    if "mounted" not in answer.stdout:
        pytest.skip(f"no process may have a mount of its own here: {answer.stdout.strip()}")
    assert answer.returncode == 1, answer.stdout
    assert "Traceback" not in answer.stdout
    return error_line(answer.stdout)


OUTS = {
    "stages.prepare": "data/prepared",
    "stages.embed": "data/features/pooled",
    "stages.finetune": "models/classifier.keras",
}


@pytest.mark.parametrize("module", OUTS)
def test_a_full_disk(project: Path, module: str) -> None:
    out = project / OUTS[module]
    before = dvc_digest(out)
    text = refused(project, SMALL, module)
    assert str(project) in text or "data/.unfinished" in text
    assert "free some" in text
    assert dvc_digest(out) == before
    again = run_command(project, sys.executable, "-m", module)
    assert again.returncode == 0, again.stdout
    assert dvc_digest(out) == before


def test_a_disk_that_cannot_be_written_to(project: Path) -> None:
    before = dvc_digest(project / "data/prepared")
    text = refused(project, READ_ONLY, "stages.prepare")
    assert text.startswith("error: data/.unfinished/prepare.lock: read-only file system: work in a")
    assert dvc_digest(project / "data/prepared") == before


def test_a_limit_on_memory(project: Path) -> None:
    command = f"ulimit -v 1500000 && exec {sys.executable} -m stages.extract_train"
    answer = run_command(project, "sh", "-c", command)
    assert answer.returncode == 1, answer.stdout
    assert "(ulimit -v), but TensorFlow needs 4 GB" in error_line(answer.stdout)
    assert "Traceback" not in answer.stdout


def test_a_file_that_may_not_be_read(project: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (project / "models/head.weights.h5").chmod(0)
    answer = subprocess.run(
        [sys.executable, "-m", "stages.finetune"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "models/head.weights.h5: permission denied" in answer.stderr
