"""Running a stage: its one-line errors and its records."""

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from tench.core.errors import TenchError
from tench.core.paths import COSTS, PACKAGES, REPORT, RESUME_DIR
from tench.run.dvc_digest import dvc_digest
from tench.run.packages import installed_version
from tench.run.record import RESUMED_FACT, find_record
from tench.run.resume import stage_fingerprint
from tench.run.runner import STOP_TIMEOUT_SECONDS, run_stage

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project with the installed packages; no command-line arguments."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["test_runner.py"])
    PACKAGES.write_text(
        f'numpy: "{installed_version("numpy")}"\npytest: "{installed_version("pytest")}"\n'
    )


def exit_message(main: Callable[[], Mapping[str, str] | None], *outs: Path) -> str:
    """The one-line error of a failing stage, which exits with 1."""
    with pytest.raises(SystemExit) as caught:
        run_stage(main, outs)
    assert isinstance(caught.value.code, str)  # Python prints it and exits with 1
    assert "\n" not in caught.value.code
    return caught.value.code


def raising(error: BaseException) -> Callable[[], NoReturn]:
    """A stage that fails with `error`."""

    def main() -> NoReturn:
        raise error

    return main


@pytest.mark.parametrize(
    ("number", "reason", "way"),
    [
        (errno.ENOSPC, "no space left on device", "free some space there"),
        (errno.EDQUOT, "quota exceeded", "free some of your space"),
        (errno.EROFS, "read-only file system", "a writable folder"),
        (errno.EACCES, "permission denied", "make it readable and writable"),
        (errno.EPERM, "not permitted", "make it readable and writable"),
        (errno.EIO, "input/output error", "check the disk"),
        (errno.EMFILE, "too many open files", "ulimit -n"),
        (errno.ENFILE, "too many open files", "close other programs"),
        (errno.ENOMEM, "cannot allocate memory", "free some memory"),
    ],
)
def test_system_errors_are_reported_with_a_fix(
    number: int, reason: str, way: str, tmp_path: Path
) -> None:
    for file in ("data/features/00001.npy", None):  # the name may be missing
        text = exit_message(raising(OSError(number, os.strerror(number), file)))
        assert text.startswith(f"error: {file or tmp_path}: ")
        assert reason in text
        assert way in text
        assert "`dvc repro`" in text


def test_a_full_disk_in_hdf5_has_a_remedy() -> None:
    text = exit_message(
        raising(OSError("Can't write data (file write failed: errno = 28, error message)"))
    )
    assert "no space left on device" in text


def test_too_many_open_files_have_a_remedy() -> None:
    def main() -> None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        next_handle = os.dup(0)
        os.close(next_handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_handle, most))
        PACKAGES.read_bytes()

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        text = exit_message(main)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert text.startswith("error: packages.yaml: too many open files: raise the limit")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        ValueError("Mmap of '8' at offset '0' failed with error '12'.The model is null/empty"),
    ],
)
def test_running_out_of_memory_is_reported(error: Exception) -> None:
    text = exit_message(raising(error))
    assert text.startswith("error: out of memory: free some")
    assert "`dvc repro`" in text


def test_a_tench_error_is_one_line() -> None:
    assert exit_message(raising(TenchError("params.yaml: seed: is missing"))) == (
        "error: params.yaml: seed: is missing"
    )


def test_an_interrupted_stage_prints_its_progress_and_how_to_resume() -> None:
    assert exit_message(raising(KeyboardInterrupt())).startswith("stopped: finished work is saved")
    stop = KeyboardInterrupt()
    stop.add_note("embed train: 1024 of 9469 images are kept")
    assert exit_message(raising(stop)) == (
        "stopped: embed train: 1024 of 9469 images are kept; run `dvc repro` again to resume"
    )


def test_a_terminated_stage_stops_like_an_interrupted_one() -> None:
    try:
        text = exit_message(lambda: os.kill(os.getpid(), signal.SIGTERM))  # type: ignore[arg-type]
    finally:
        left = signal.alarm(0)
    assert text.startswith("stopped: ")
    assert (
        0 < left <= STOP_TIMEOUT_SECONDS
    )  # not the timeout of the test, which uses the same timer


@pytest.mark.parametrize("seed", [1, 2])
def test_cost_is_left_out_only_where_work_was_resumed(
    seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        Path("out").write_text("written")

    Path("dvc.yaml").write_text("stages: {test-runner: {cmd: test, params: [seed]}}")
    Path("params.yaml").write_text("{seed: 1, data: {raw: raw}}")
    left = RESUME_DIR / f"test-runner-{stage_fingerprint('test-runner')}/journal"
    left.parent.mkdir(parents=True)
    left.touch()
    Path("params.yaml").write_text(f"{{seed: {seed}, data: {{raw: raw}}}}")
    run_stage(main, [Path("out")])
    found = find_record("test-runner", {"out": dvc_digest(Path("out"))})
    assert found is not None
    resumed = seed == 1
    assert found.facts == (RESUMED_FACT if resumed else {})
    assert COSTS.exists() != resumed
    assert ("resumes" in capsys.readouterr().err) == resumed
    shutil.rmtree(RESUME_DIR)
    run_stage(main, [Path("out")])
    assert COSTS.exists()


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOTDIR, "Not a directory"), OSError("decoder"), ValueError("bug")]
)
def test_a_bug_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        run_stage(raising(error))
    assert caught.value is error


@pytest.mark.parametrize(("number", "traceback"), [(errno.ENOSPC, False), (errno.ENOTDIR, True)])
def test_a_stage_that_fails_exits_with_one(number: int, traceback: bool) -> None:
    Path("stage.py").write_text(
        "from tench.run.runner import run_stage\n"
        f"def main(): raise OSError({number}, 'refused', 'models/a.keras')\n"
        "run_stage(main)\n"
    )
    answer = subprocess.run(
        [sys.executable, "stage.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert ("Traceback" in answer.stderr) == traceback
    assert "models/a.keras" in answer.stderr
    assert answer.stderr.startswith("error: models/a.keras: ") != traceback
    assert traceback or answer.stderr.count("\n") == 1
    assert not REPORT.exists()


@pytest.mark.parametrize(
    ("package", "have"), [("numpy", installed_version("numpy")), ("nothing", "none")]
)
def test_other_packages_than_pinned_are_refused_before_anything_is_done(
    package: str, have: str
) -> None:
    PACKAGES.write_text(f'pytest: "{installed_version("pytest")}"\n{package}: "0.0.1"\n')
    done: list[str] = []
    text = exit_message(lambda: done.append("something"))  # type: ignore[func-returns-value]
    assert text.startswith("error: ")
    for part in (f"{package} {have} instead of 0.0.1", "packages.yaml", "`make setup`"):
        assert part in text
    assert "pytest" not in text
    assert done == []


def test_outside_of_a_project_there_are_no_packages() -> None:
    PACKAGES.unlink()
    assert exit_message(dict) == "error: packages.yaml: no such file; run from the project's root"


def test_a_run_is_recorded_with_its_packages_and_facts() -> None:
    out = Path("out")

    def main() -> dict[str, str]:
        out.write_text("written")
        return {"engine": "litert"}

    run_stage(main, [out])
    found = find_record("test-runner", {"out": dvc_digest(out)})
    assert found is not None
    assert found.facts == {"engine": "litert"}
    assert found.packages == {name: installed_version(name) for name in ("numpy", "pytest")}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot do that")
def test_a_stage_stops_with_the_dvc_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "test")
    Path("stage.py").write_text(
        "import time\n"
        "from tench.run.runner import run_stage\n"
        "run_stage(lambda: print('started', flush=True) or time.sleep(60))\n"
    )
    as_dvc = f"{sys.executable} stage.py & wait"
    started = subprocess.Popen(
        ["sh", "-c", as_dvc],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "started\n"
    started.kill()
    assert started.communicate()[0].startswith("stopped: ")


def test_a_run_that_fails_is_not_recorded() -> None:
    exit_message(raising(TenchError("no")))
    assert not REPORT.exists()


def test_a_report_that_cannot_be_written_costs_a_warning(
    capsys: pytest.CaptureFixture[str],
) -> None:
    REPORT.write_text("a plain file")
    run_stage(lambda: Path("out").write_text("written") and None, [Path("out")])
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("warning: no record")
    assert "report" in told[0]
    assert Path("out").read_text() == "written"
    assert REPORT.read_text() == "a plain file"


def test_help_is_the_modules_docstring(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["test_runner.py", "--help"])
    with pytest.raises(SystemExit) as caught:
        run_stage(raising(AssertionError()))
    assert caught.value.code == 0
    assert str(__doc__) in capsys.readouterr().out
