"""Records of stage runs in report/runs: seconds, memory, machine, packages, commit.

Records differ between equal runs, so they are no DVC outputs. A record's file name contains the
stage and a digest of its outputs: the report never shows it with the outputs of another run.
"""

import json
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import md5
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from tench.core.files import write_json
from tench.core.names import printable
from tench.core.parallel import available_cores
from tench.core.paths import PACKAGES, PIPELINES, REQUIREMENTS_LOCK, RUN_RECORDS
from tench.run.costs import write_cost
from tench.run.dvc_digest import dvc_digest
from tench.run.process_setup import cpu_vector_extensions, cpuinfo

# What determines the results besides parameters and data. If these differ from the commit, the run
# is not that of the commit.
CODE_PATHS = (Path("tench"), Path("stages"), *PIPELINES, PACKAGES, REQUIREMENTS_LOCK)
PROC_STATUS = Path("/proc/self/status")
# The fact that marks a resumed run, whose seconds are not those of a full run.
RESUMED_FACT = {"resumed": "an interrupted run: seconds of the rest only"}


class RunRecord(BaseModel):
    """The content of a record file."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    stage: str
    outs: dict[str, str]  # path to digest, as dvc.lock has them
    seconds: float
    peak_mb: float
    ended: str  # UTC
    commit: str  # the checked out commit; "" outside of git
    changed: list[str]  # files of CODE_PATHS that differ from the commit
    python: str
    system: str
    processor: str
    cores: int
    packages: dict[str, str]  # name to version
    facts: dict[str, str]  # returned by the stage, such as its engine


def record_file(stage: str, digests: Mapping[str, str]) -> Path:
    """Path of the record of the run of `stage` whose outputs have these digests, by path."""
    text = json.dumps(dict(sorted(digests.items())))
    return (
        RUN_RECORDS / f"{stage}-{md5(text.encode(), usedforsecurity=False).hexdigest()[:12]}.json"
    )


def git_output(*arguments: str) -> str:
    """The output of a git command; "" if it fails or git is missing."""
    command = ["git", "--no-optional-locks", "-c", "core.quotepath=off", *arguments]
    try:
        finished = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError:
        return ""
    return finished.stdout.strip() if finished.returncode == 0 else ""


def git_refusal() -> str:
    """Git's error for this repository, such as its wrong owner; "" if git reads it, is missing, or
    finds no repository."""
    command = ["git", "rev-parse", "--is-inside-work-tree"]
    english = {**os.environ, "LC_ALL": "C"}
    try:
        finished = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=english,
            check=False,
        )
    except OSError:
        return ""
    if finished.returncode == 0 or "not a git repository" in finished.stderr:
        return ""
    return finished.stderr.strip()


def changed_files() -> list[str]:
    """The files of CODE_PATHS that differ from the commit or are not in it."""
    paths = [path.as_posix() for path in CODE_PATHS]
    changed = git_output("diff", "--name-only", "--relative", "HEAD", "--", *paths)
    added = git_output("ls-files", "--others", "--exclude-standard", "--", *paths)
    return sorted({*changed.splitlines(), *added.splitlines()})


def peak_memory_mb() -> float:
    """Peak memory of this process or of one of its children, whichever is larger, in MB."""
    own, others = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    own = status_peak() or own  # Linux's ru_maxrss starts at the parent's memory
    unit = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss in bytes
    return max(own, others) * unit / 1e6


def status_peak() -> int:
    """Peak memory of this process from Linux's /proc/self/status, in KiB; 0 if missing."""
    try:
        text = PROC_STATUS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    match = re.search(r"^VmHWM:\s*(\d+)", text, re.MULTILINE)
    return int(match[1]) if match else 0


def processor_name() -> str:
    """Name of the processor."""
    lines = cpuinfo().splitlines()
    names = (line.split(":", 1)[1].strip() for line in lines if re.match(r"model name\s*:", line))
    return next(names, platform.processor() or platform.machine())


def write_record(
    stage: str,
    outs: Sequence[Path],
    seconds: float,
    packages: Mapping[str, str],
    facts: Mapping[str, str],
) -> None:
    """Write the record and the cost of a run. A failure prints a warning; it never fails the stage.

    Args:
        stage: its name in dvc.yaml.
        outs: the outputs that identify the run.
        seconds: wall-clock time.
        packages: versions by name.
        facts: returned by the stage.
    """
    try:
        if refusal := git_refusal():
            print(f"warning: no commit in the record of this run: git: {refusal}", file=sys.stderr)
        digests = {out.as_posix(): dvc_digest(out) for out in outs}
        record = RunRecord(
            stage=stage,
            outs=digests,
            seconds=seconds,
            peak_mb=peak_memory_mb(),
            ended=time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()),
            commit=git_output("rev-parse", "HEAD"),
            changed=changed_files(),
            python=platform.python_version(),
            system=f"{platform.system()} {platform.machine()}",
            processor=", ".join([processor_name(), *sorted(cpu_vector_extensions())]),
            cores=available_cores(),
            packages=dict(packages),
            facts=dict(facts),
        )
        write_json(record.model_dump(), record_file(stage, digests))
        if not RESUMED_FACT.items() <= facts.items():
            write_cost(stage, digests, record.seconds, record.peak_mb)
    except Exception as error:  # the stage's outputs are complete: nothing here may lose them
        reason = printable(" ".join(str(error).split())) or type(error).__name__
        print(f"warning: no record of this run for the report: {reason}", file=sys.stderr)


def read_record(file: Path) -> RunRecord | None:
    """Read a record; None if the file is missing or invalid, since records are optional."""
    try:
        return RunRecord.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return None


def find_record(stage: str, digests: Mapping[str, str]) -> RunRecord | None:
    """The record of the last run of `stage` whose outputs are all among these digests, by path."""
    records = map(read_record, RUN_RECORDS.glob(f"{stage}-*.json"))
    matching = [
        record
        for record in records
        if record
        and record.stage == stage
        and record.outs
        and record.outs.items() <= digests.items()
    ]
    return max(matching, key=lambda record: record.ended, default=None)
