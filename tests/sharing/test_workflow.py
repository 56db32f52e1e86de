"""The workflow for a team, step by step as GitHub's runner would run it: its scripts, shell and
variables, a shallow clone, and no packages but those it installs. A program that records
its arguments replaces gh, pip and uv, because there is no GitHub here."""

import os
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lock_files import YAML_FILE, rewrite_lock_file
from packaging.requirements import Requirement
from pipeline_clones import CHECKOUT, clone_checkout, commit_all, run_command, run_git, set_params

from tench.core.files import read_csv, read_json, write_csv, write_json, write_text
from tench.core.paths import COSTS, PREDICTIONS, SCORES
from tench.run.dvc_files import stage_digests
from tench.run.lock_yaml import read_lock

WORKFLOWS = CHECKOUT / ".github/workflows"
WORKFLOW = YAML_FILE.load(WORKFLOWS / "team.yml")
(JOB,) = WORKFLOW["jobs"].values()
STEPS = [step for step in JOB["steps"] if "run" in step]
RATE = "finetune.learning_rate"
# What stands in the workflow for GitHub to fill in.
CONDITIONS = {"github.event_name == 'pull_request'": "pull_request".__eq__}
GITHUB = {"${{ github.token }}": "a token", "${{ github.event.number }}": "7"}
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail")  # as GitHub documents `shell: bash`
CALLED = """#!/bin/sh
for one; do printf '%s\\n' "$one"; done > "$RUNNER_TEMP/$(basename "$0")"
exit {}
"""


class Job(NamedTuple):
    """The result of a job."""

    failed: str  # the step at which it ended; empty if at none
    output: str  # of the last step
    summary: str
    calls: dict[str, list[str]]  # the arguments of gh, pip and uv
    comment: str


def installed() -> list[str]:
    """The packages that uv installs."""
    words = STEPS[0]["run"].replace("\\\n", " ").split()
    return words[words.index("requirements.lock", words.index("--constraint")) + 1 :]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a `python` that has no packages but those installed, and what these need."""
    folder = tmp_path_factory.mktemp("python")
    waiting, found = installed(), set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        here = distribution(name)
        needed = map(Requirement, here.requires or [])
        waiting += [one.name for one in needed if not one.marker or one.marker.evaluate()]
        for top in {file.parts[0] for file in here.files or []} - {".."}:
            if not (folder / top).is_symlink():
                (folder / top).symlink_to(Path(str(here.locate_file(top))))
    program = Path(sys.base_prefix) / "bin/python3"
    text = f'#!/bin/sh\nPYTHONPATH={folder} exec {program} -S -B "$@"\n'
    write_text(text, folder / "bin/python")
    (folder / "bin/python").chmod(0o755)
    return folder / "bin"


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose branch main belongs together. Not to be changed."""
    folder = tmp_path_factory.mktemp("main")
    clone_checkout(folder)
    rewrite_lock_file(folder)
    commit_all(folder)
    return folder


@pytest.fixture
def origin(main: Path, tmp_path: Path) -> Path:
    """A clone of it on the branch of a pull request."""
    run_git(tmp_path, "clone", "--quiet", str(main), "origin")
    run_git(tmp_path / "origin", "checkout", "--quiet", "-b", "slower")
    return tmp_path / "origin"


@pytest.fixture
def team(origin: Path, python: Path, tmp_path: Path) -> Any:
    """Runs the job on what is checked out there, as the runner does."""

    def job(event: str = "pull_request", writes: bool = True) -> Job:
        tip = merged(origin) if event == "pull_request" else "HEAD"
        run_git(origin, "branch", "--force", "built", tip)
        here, temp = tmp_path / "runner", tmp_path / "temp"
        depth = JOB["steps"][0]["with"]["fetch-depth"]
        url = origin.as_uri()
        run_git(tmp_path, "clone", "--quiet", f"--depth={depth}", "--branch=built", url, str(here))
        run_git(here, "checkout", "--quiet", "--detach")
        run_git(here, "branch", "--quiet", "--delete", "--force", "built")
        for name, code in (("gh", 0 if writes else 1), ("pip", 0), ("uv", 0)):
            write_text(CALLED.format(code), temp / "bin" / name)
            (temp / "bin" / name).chmod(0o755)
        return run_steps(here, temp, event, f"{temp / 'bin'}{os.pathsep}{python}")

    return job


def merged(folder: Path) -> str:
    """The commit that GitHub tests for a pull request: its branch merged into main, here with the
    files of the branch."""
    tree = run_git(folder, "rev-parse", "HEAD^{tree}").strip()
    parents = ("-p", "main", "-p", "HEAD")
    return run_git(folder, "commit-tree", tree, *parents, "-m", "Merge").strip()


def run_steps(here: Path, temp: Path, event: str, path: str) -> Job:
    """Run the steps that are scripts, to the first that fails."""
    variables = {
        "GITHUB_EVENT_NAME": event,
        "GITHUB_BASE_REF": "main" if event == "pull_request" else "",
        "GITHUB_STEP_SUMMARY": str(temp / "summary"),
        "RUNNER_TEMP": str(temp),
        "PATH": os.pathsep.join([path, os.environ["PATH"]]),
    }
    failed, output = "", ""
    for step in STEPS:
        if "if" in step and not CONDITIONS[step["if"]](event):
            continue
        write_text(step["run"], temp / "step.sh")
        more = {name: GITHUB[value] for name, value in step.get("env", {}).items()}
        answer = run_command(here, *SHELL, str(temp / "step.sh"), **variables, **more)
        output = answer.stdout
        if answer.returncode:
            failed = step["name"]
            break
    files = [temp / name for name in ("gh", "pip", "uv") if (temp / name).exists()]
    calls = {file.name: file.read_text(encoding="utf-8").splitlines() for file in files}
    said = calls.get("gh", [])
    comment = Path(said[said.index("--body-file") + 1]).read_text() if said else ""
    return Job(failed, output, (temp / "summary").read_text(), calls, comment)


def rerun(folder: Path, rate: float) -> None:
    """Commit what `dvc repro` would leave of another learning rate: other parameters, scores,
    answers to eight images and costs, and their dvc.lock."""
    set_params(folder, {RATE: rate})
    rows = read_csv(folder / PREDICTIONS)
    for row in rows[:8]:
        row["prediction"] = "another"
    write_csv(rows[0], (row.values() for row in rows), folder / PREDICTIONS)
    scores = read_json(folder / SCORES)
    write_json({**scores, "macro_f1": 0.5}, folder / SCORES)
    rewrite_lock_file(folder)
    locked = read_lock((folder / "dvc.lock").read_bytes(), "dvc.lock")["stages"]
    cost = {
        "seconds": 61.0,
        "peak_mb": 9,
        "outs": [*stage_digests(locked["finetune"], "outs").items()],
    }
    write_json({**read_json(folder / COSTS), "finetune": cost}, folder / COSTS)
    commit_all(folder)


def test_an_untouched_clone_passes_without_data(team: Any) -> None:
    job = team("push")
    assert job.failed == "", job.output
    assert "dvc.lock matches this commit" in job.output
    assert "| HEAD " in job.summary
    assert "gh" not in job.calls
    assert job.calls["uv"][:3] == ["pip", "install", "--python"]
    assert job.calls["uv"][4:] == ["--constraint", "requirements.lock", *installed()]
    asked, lock = job.calls["pip"], Path(job.calls["pip"][-1]).read_text(encoding="utf-8")
    assert "--require-hashes" in asked
    assert [line[:4] for line in lock.splitlines() if not line.startswith(" ")] == ["uv=="]


def test_a_changed_parameter_without_a_run_fails_and_is_named(team: Any, origin: Path) -> None:
    set_params(origin, {RATE: 2e-5})
    commit_all(origin)
    job = team()
    assert job.failed == STEPS[-1]["name"]
    (line,) = (line for line in job.output.splitlines() if RATE in line)
    stages, told = line.strip().split(": ", 1)
    assert "finetune" in stages.split(", ")
    assert told == f"{RATE} = 2e-05 in params.yaml, run with 0.0001"
    assert "HEAD is skipped: finetune.learning\\_rate = 2e-05 in params.yaml" in job.comment


def test_a_pull_request_shows_the_change_in_results(team: Any, origin: Path) -> None:
    rerun(origin, 2e-5)
    job = team()
    assert job.failed == "", job.output
    assert job.calls["gh"][:5] == ["pr", "comment", "7", "--edit-last", "--create-if-none"]
    assert job.comment == job.summary
    lines = [line for line in job.comment.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert rows[0][:3] == ["name", "finetune.learning\\_rate", "seeds"]
    assert {row[0]: row[1] for row in rows[2:4]} == {"main": "0.0001", "HEAD": "2e-05"}
    assert next(row for row in rows if row[0] == "HEAD")[-1] == "61.0 (1)"
    assert rows[4][3:5] == ["only this correct", "only main correct"]
    assert rows[6][3:6] == ["0", "8", "-0.0102"]


def test_a_fork_without_history_in_common_passes_and_has_its_summary(
    team: Any, origin: Path
) -> None:
    run_git(origin, "checkout", "--quiet", "--orphan", "apart")
    rerun(origin, 2e-5)
    job = team(writes=False)
    assert job.failed == "", job.output
    assert "| HEAD " in job.summary
    assert "| only main correct |" in job.summary


def test_the_first_results_have_none_to_be_set_against(team: Any, origin: Path) -> None:
    run_git(origin, "checkout", "--quiet", "main")
    run_git(origin, "rm", "-r", "--quiet", "metrics", "dvc.lock")
    run_git(origin, "commit", "--quiet", "--message=Before any run")
    run_git(origin, "checkout", "--quiet", "slower")
    job = team()
    assert job.failed == "", job.output
    assert "| HEAD " in job.comment
    assert "main is skipped: metrics/evaluate.json: not found" in job.comment


def test_a_project_without_results_is_reported(team: Any, origin: Path) -> None:
    run_git(origin, "rm", "-r", "--quiet", "metrics", "dvc.lock")
    run_git(origin, "commit", "--quiet", "--message=Before any run")
    job = team("push")
    assert job.failed == STEPS[-1]["name"]
    assert "report: not in dvc.lock" in job.output
    assert "nothing to compare" in job.summary
    assert "Traceback" not in job.summary


def test_it_may_do_no_more_than_it_must_and_has_the_actions_of_the_other_workflow() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read", "pull-requests": "write"}
    others = (WORKFLOWS / "ci.yml").read_text(encoding="utf-8")
    actions = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert actions
    assert all(f"uses: {action}\n" in others for action in actions)
    assert WORKFLOW["defaults"] == {"run": {"shell": "bash"}}
    assert "${{" not in "".join(step["run"] for step in STEPS)  # no title or branch is run


def test_a_crash_of_the_comparison_fails_its_step(team: Any, origin: Path) -> None:
    write_text("raise ValueError('broken')\n", origin / "tench/report/compare/command.py")
    commit_all(origin)
    job = team("push")
    assert job.failed == STEPS[1]["name"]
    assert "ValueError: broken" in job.summary
