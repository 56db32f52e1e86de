"""The pipeline killed at random moments, DVC with all it started or a stage alone: `dvc repro` ends
with the dvc.lock of a run that was never stopped."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from pipeline_clones import STAGES_AFTER_SAMPLE, FinishedRun, run_command, run_dvc, stages_run
from ruamel.yaml import YAML

PATIENCE = 2.0  # seconds that each kill is later than the last while no stage comes to its end
EMPTY = ("-type", "d", "-empty")
EARLY = 0.2  # of the kills, counted from the start of DVC instead of that of its first stage


class Lock(NamedTuple):
    """A dvc.lock, to be forgotten and compared with."""

    file: Path
    whole: bytes

    def stages(self) -> dict[str, object]:
        """The stages in dvc.lock now."""
        return dict(YAML(typ="safe").load(self.file)["stages"])

    def before(self) -> dict[str, object]:
        """The stages in dvc.lock at the start."""
        return dict(YAML(typ="safe").load(self.whole)["stages"])


def forget(project: Path) -> Lock:
    """Let DVC forget that it ever ran what comes after the sample and the weights."""
    lock = Lock(project / "dvc.lock", (project / "dvc.lock").read_bytes())
    content = YAML(typ="safe").load(lock.file)
    content["stages"] = {"weights": content["stages"]["weights"]}
    with lock.file.open("w") as file:
        YAML().dump(content, file)
    shutil.rmtree(project / ".dvc/cache/runs")
    return lock


def whole_group(dvc: subprocess.Popen[str]) -> None:
    """Kill DVC and all it started."""
    os.killpg(dvc.pid, signal.SIGKILL)


def dvc_alone(dvc: subprocess.Popen[str]) -> None:
    """Kill DVC, with which its stage stops, but for systems other than Linux."""
    dvc.kill()


def stage_alone(dvc: subprocess.Popen[str]) -> None:
    """Kill what DVC started; DVC itself, where that is nothing."""
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(dvc.pid).children(recursive=True) or [dvc]:
            process.kill()


def repaired(project: Path, said: str, committed: bytes) -> bool:
    """Apply the fixes of docs/faults.md if DVC cannot read a file that it was writing.

    The file is dvc.lock, its file of locks (rwlock) or a record of its run cache: DVC does not
    write them atomically, so a kill can leave a part. Return whether one was damaged.
    """
    torn = "dvc.lock' validation failed" in said or "dvc.lock' is invalid" in said
    if torn:
        (project / "dvc.lock").write_bytes(committed)
    elif torn := "Unable to read RWLock-file" in said:
        (project / ".dvc/tmp/rwlock").unlink()
    elif torn := "join() argument must be str" in said:
        subprocess.run(["find", project / ".dvc/cache/runs", *EMPTY, "-delete"], check=True)
    return torn


def said(log: Path) -> str:
    """What a log holds so far, which may end in the middle of a character."""
    return log.read_text(encoding="utf-8", errors="replace")


def await_stage(dvc: subprocess.Popen[str], log: Path) -> None:
    """Wait until DVC has started a stage or has ended."""
    while dvc.poll() is None and not stages_run(said(log)):
        time.sleep(0.02)


def kill_often(project: Path, times: int, seed: int) -> list[str]:
    """Start `dvc repro` and kill it after a random time, so many times; then let it end.

    Returns:
        the stages it was killed in, or "dvc" where none ran.
    """
    draw, log, hit = random.Random(seed), project / "killed.log", []
    lock, known, since = project / "dvc.lock", 0, 0
    committed = lock.read_bytes()
    command = [sys.executable, "-m", "dvc", "repro"]
    while len(hit) < times:
        log.unlink(missing_ok=True)  # a stage whose DVC was killed still writes to the old one
        with log.open("w") as output:
            running = subprocess.Popen(
                command,
                cwd=project,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},  # else the last output of DVC is lost
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            if draw.random() >= EARLY:
                await_stage(running, log)
            try:
                running.wait(draw.uniform(0, PATIENCE * (3 + min(since, 20))))
                if repaired(project, said(log), committed):
                    continue
                assert running.returncode == 0, said(log)
                break
            except subprocess.TimeoutExpired:
                kill: Callable[[subprocess.Popen[str]], None] = draw.choice(
                    [whole_group, whole_group, dvc_alone, stage_alone]
                )
                kill(running)
                running.wait()
        hit.append((stages_run(said(log)) or ["dvc"])[-1])
        now = lock.stat().st_mtime_ns
        since = since + 1 if now == known else 0
        known = now
    while repaired(project, (last := run_command(project, *command)).stdout, committed):
        pass
    assert last.returncode == 0, last.stdout
    assert "Traceback" not in last.stdout
    return hit


def assert_as_never_stopped(project: Path, was: dict[str, object], lock: Lock) -> None:
    """Check that dvc.lock has the expected stages, in any order, and no partial file remains."""
    assert lock.stages() == was
    assert [path for path in (project / "data/.unfinished").iterdir() if path.is_dir()] == []
    left = [path for path in project.rglob(".part-*") if "activations" not in path.parts]
    assert left == []


def test_killed_pipeline_ends_as_if_it_had_not_been(
    project: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run the pipeline again and again until it was killed so often; say where."""
    hit: list[str] = []
    kills, rounds = request.config.getoption("kills"), 0
    while len(hit) < kills:
        lock = forget(project)
        hit += kill_often(project, kills - len(hit), rounds)
        assert_as_never_stopped(project, lock.before(), lock)
        rounds += 1
    of = {name: hit.count(name) for name in ("dvc", *STAGES_AFTER_SAMPLE)}
    with capsys.disabled():
        print(f"\n{kills} kills in {rounds} rounds: {of}")


def test_two_runs_at_once_wait_or_fail_with_an_error(
    project: Path, finished_run: FinishedRun
) -> None:
    lock = forget(project)
    command = [sys.executable, "-m", "dvc", "repro", "embed"]
    both = [
        subprocess.Popen(
            command,
            cwd=project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    said = [one.communicate()[0] for one in both]
    assert 0 in [one.returncode for one in both]
    for one, text in zip(both, said, strict=True):
        assert "Traceback" not in text
        assert one.returncode == 0 or "lock" in text.lower() or "busy" in text.lower(), text
    run_dvc(project, "repro", "embed")
    was = lock.before()
    assert_as_never_stopped(project, {name: was[name] for name in lock.stages()}, lock)
    assert "embed" in lock.stages()
