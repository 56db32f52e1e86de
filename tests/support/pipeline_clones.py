"""Clones of the checkout in temporary folders, with real git and DVC commands."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tench.core.files import read_csv

CHECKOUT = Path(__file__).parents[2]
TRACING = CHECKOUT / "tests/support/tracing"  # logs the files that a stage opens
REMOVE_KEY = object()  # as a parameter's value: remove the key


class PipelineStage(NamedTuple):
    """A stage of a dvc.yaml."""

    module: str
    deps: set[str]
    outs: set[str]
    packages: set[str]


def read_pipeline_stages() -> dict[str, PipelineStage]:
    """The stages of all the checkout's pipelines, by name."""
    stages: dict[str, PipelineStage] = {}
    for file in ("dvc.yaml", "data/dvc.yaml", "baseline/dvc.yaml"):
        content = YAML(typ="safe", pure=True).load(CHECKOUT / file)
        for name, stage in content["stages"].items():
            params = [one for one in stage.get("params", []) if isinstance(one, dict)]
            written = [one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])]
            stages[name] = PipelineStage(
                module=stage["cmd"].removeprefix("python -m "),
                deps=set(stage.get("deps", [])),
                outs={next(iter(one)) if isinstance(one, dict) else one for one in written},
                packages={package for one in params for package in one["packages.yaml"]},
            )
    return stages


class FinishedRun(NamedTuple):
    """A clone after a complete `dvc repro` on the sample, committed."""

    folder: Path
    output: str  # of the first `dvc repro`
    status: list[str]  # `git status`, ignored files included, after it
    again: str  # output of the second `dvc repro`


class RepeatedRun(NamedTuple):
    """A copy of that clone in which the stages ran a second time."""

    folder: Path
    output: str


def run_command(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder`, with stderr in stdout and carriage returns as line ends."""
    # A git hook sets variables that point git to another repository; make prints more below make.
    excluded = {"GIT_DIR", "GIT_INDEX_FILE", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
    inherited = {name: value for name, value in os.environ.items() if name not in excluded}
    return subprocess.run(
        command,
        cwd=folder,
        env=inherited | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


def run_git(folder: Path, *arguments: str) -> str:
    """Run git, which must succeed; return its output."""
    answer = run_command(folder, "git", *arguments)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def run_dvc(folder: Path, *arguments: str, **variables: str) -> str:
    """Run dvc, which must succeed; return its output."""
    answer = run_command(folder, sys.executable, "-m", "dvc", *arguments, **variables)
    assert answer.returncode == 0, answer.stdout
    return answer.stdout


def run_dvc_failing(folder: Path, *arguments: str, **variables: str) -> str:
    """Run dvc, which must fail and show no traceback; return its output."""
    answer = run_command(folder, sys.executable, "-m", "dvc", *arguments, **variables)
    assert answer.returncode != 0, answer.stdout
    assert "Traceback" not in answer.stdout
    return answer.stdout


def error_line(output: str) -> str:
    """The one line of output that starts with `error: `."""
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, output
    return lines[0]


def commit_all(folder: Path) -> None:
    """Commit every file that git does not ignore."""
    run_git(folder, "add", "--all")
    run_git(folder, "commit", "--quiet", "--message=test")


def stages_run(output: str) -> list[str]:
    """The stages that dvc ran, or would run with --dry, in order."""
    return re.findall(r"^Running stage '(?:.*:)?(.+)':$", output, re.MULTILINE)


def read_scored_images(folder: Path) -> list[tuple[Path, dict[str, str]]]:
    """Raw files of a finished clone's test images, with their rows of predictions.csv."""
    index = read_csv(folder / "data/split/index.csv")
    raw = {row["path"]: folder / "data/sample" / row["source"] for row in index}
    rows = read_csv(folder / "metrics/predictions.csv")
    return [(raw[row["path"]], row) for row in rows]


def set_params(folder: Path, changes: Mapping[str, Any]) -> None:
    """Set parameters, by dotted key, in a clone's params.yaml."""
    yaml, file = YAML(), folder / "params.yaml"
    content = yaml.load(file)
    for key, value in changes.items():
        *sections, name = key.split(".")
        place = content
        for section in sections:
            place = place[section]
        place[name] = value
        if value is REMOVE_KEY:
            del place[name]
    yaml.dump(content, file)


def exclude_from_git(project: Path, folder: str) -> None:
    """List an image folder in .git/info/exclude: `raw` refuses one in the project that git sees."""
    with (project / ".git/info/exclude").open("a", encoding="utf-8") as file:
        file.write(f"/{folder}\n")


def clone_checkout(folder: Path) -> None:
    """Copy every file that git does not ignore, uncommitted work too, to a new repository."""
    listed = run_git(CHECKOUT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (CHECKOUT / name).is_file():  # false if a tracked file is deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder)


def opened_file(folder: Path) -> Path:
    """The log of the files that the stages of a finished clone opened."""
    return folder.with_suffix(".opened")


def run_base_pipeline(folder: Path) -> dict[str, Any]:
    """Clone, run the pipeline on the sample and commit; return the fields of FinishedRun."""
    clone_checkout(folder)
    set_params(folder, {"data.raw": "data/sample"})
    output = run_dvc(folder, "repro", PYTHONPATH=str(TRACING), OPENED=str(opened_file(folder)))
    status = run_git(folder, "status", "--porcelain", "--ignored", "-z").split("\0")
    commit_all(folder)
    return {"output": output, "status": status, "again": run_dvc(folder, "repro")}


# The stages of a run on the sample after `sample` and `weights`, in order.
STAGES_AFTER_SAMPLE = (
    "prepare",
    "split",
    "embed",
    "audit",
    "probe",
    "extract-train",
    "finetune",
    "evaluate",
    "export",
    "report",
)


def run_pipeline_again(base: Path, folder: Path) -> dict[str, Any]:
    """Run STAGES_AFTER_SAMPLE again in a copy of a finished clone, with another hash seed.

    On Linux they run on one core.
    """
    copy_finished_run(base, folder)
    again = ("repro", "--force", "--single-item", *STAGES_AFTER_SAMPLE)
    one = (
        f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))]);"
        f"os.execv({sys.executable!r}, {[sys.executable, '-m', 'dvc', *again]!r})"
    )
    if hasattr(os, "sched_setaffinity"):
        answer = run_command(folder, sys.executable, "-c", one, PYTHONHASHSEED="1")
        assert answer.returncode == 0, answer.stdout
        return {"output": answer.stdout}
    return {"output": run_dvc(folder, *again, PYTHONHASHSEED="1")}


# Folders of a clone whose files are never changed in place.
LINKED_PATHS = (
    ".dvc/cache",
    "data/sample",
    "data/prepared",
    "data/split",
    "data/eval_subset",
    "data/features",
)


def copy_finished_run(folder: Path, target: Path) -> Path:
    """Copy a finished clone; files in LINKED_PATHS become hard links, which is faster."""

    def copy(source: str, goal: str) -> None:
        place = Path(source).relative_to(folder).as_posix()
        (os.link if place.startswith(LINKED_PATHS) else shutil.copy2)(source, goal)

    return Path(shutil.copytree(folder, target, symlinks=True, copy_function=copy))


def run_once(folder: Path, make: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
    """Run `make(folder)` in one test process, and return its result in all."""
    made = folder.with_suffix(".json")
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            try:
                result = make(folder)
            except AssertionError as error:  # fail in every process instead of trying again
                result = {"failed": str(error)}
            made.write_text(json.dumps(result), encoding="utf-8")
    result = json.loads(made.read_text(encoding="utf-8"))
    assert "failed" not in result, result["failed"]
    return result
