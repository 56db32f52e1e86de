"""What a stage's run was like: seconds, memory, machine, packages, commit; in report/runs.

That differs between two equal runs, so DVC does not know of it. A record is told by the stage and
by the digest of what the run wrote: it is never shown beside the outputs of another run.
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
from tench.core.parallel import available_cores
from tench.core.paths import PACKAGES, PIPELINES, REQUIREMENTS_LOCK, RUN_RECORDS
from tench.run.costs import write_cost
from tench.run.dvc_digest import dvc_digest
from tench.run.process_setup import cpu_vector_extensions, cpuinfo

# What makes the numbers, beside parameters and data: at another state of these a commit is not what
# was run.
CODE_PATHS = (Path("tench"), Path("stages"), *PIPELINES, PACKAGES, REQUIREMENTS_LOCK)
PROC_STATUS = Path("/proc/self/status")
# a fact of a run that was stopped before: its seconds are no cost to compare
RESUMED_FACT = {"went on": "where a run was stopped: seconds of the rest"}


class RunRecord(BaseModel):
    """What a stage's run was like, as its file holds it."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    stage: str
    outs: dict[str, str]  # path to digest, as dvc.lock has them
    seconds: float
    peak_mb: float
    ended: str  # UTC
    commit: str  # checked out then; empty outside of git
    changed: list[str]  # files of CODE that were not as in the commit
    python: str
    system: str
    processor: str
    cores: int
    packages: dict[str, str]  # name to version
    facts: dict[str, str]  # what else the stage has to say, such as its engine


def record_file(stage: str, digests: Mapping[str, str]) -> Path:
    """Where the record of the run of `stage` lies whose outputs have these digests, by path."""
    text = json.dumps(dict(sorted(digests.items())))
    return (
        RUN_RECORDS / f"{stage}-{md5(text.encode(), usedforsecurity=False).hexdigest()[:12]}.json"
    )


def git_output(*arguments: str) -> str:
    """What git prints, or nothing where there is no repository."""
    command = ["git", "--no-optional-locks", "-c", "core.quotepath=off", *arguments]
    try:
        answer = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except OSError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


def git_refusal() -> str:
    """Why git refuses to read this repository, in its own words; "" if it reads it, or if there is
    no git or no repository."""
    command = ["git", "rev-parse", "--is-inside-work-tree"]
    english = {**os.environ, "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=english,
            check=False,
        )
    except OSError:
        return ""
    if answer.returncode == 0 or "not a git repository" in answer.stderr:
        return ""
    return answer.stderr.strip()


def changed_files() -> list[str]:
    """The files of CODE that are not as in the commit, or not in it."""
    paths = [path.as_posix() for path in CODE_PATHS]
    changed = git_output("diff", "--name-only", "--relative", "HEAD", "--", *paths)
    added = git_output("ls-files", "--others", "--exclude-standard", "--", *paths)
    return sorted({*changed.splitlines(), *added.splitlines()})


def peak_memory_mb() -> float:
    """The most memory this process has held, or one of those it started, if that is more."""
    own, others = (
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    own = status_peak() or own  # Linux's ru_maxrss begins with the memory of the parent process
    unit = 1 if sys.platform == "darwin" else 1024  # bytes that ru_maxrss counts in
    return max(own, others) * unit / 1e6


def status_peak() -> int:
    """The most memory that Linux counts for this process, in KiB; 0 where its status lacks it."""
    try:
        text = PROC_STATUS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s*(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0


def processor_name() -> str:
    """The processor's name."""
    lines = cpuinfo().splitlines()
    named = (one.split(":", 1)[1].strip() for one in lines if re.match(r"model name\s*:", one))
    return next(named, platform.processor() or platform.machine())


def write_record(
    stage: str,
    outs: Sequence[Path],
    seconds: float,
    packages: Mapping[str, str],
    facts: Mapping[str, str],
) -> None:
    """Write down what a stage's run was like, and cost. A folder that cannot be written to costs
    the record and a warning, not the run."""
    if refusal := git_refusal():
        print(f"warning: no commit in the record of this run: git: {refusal}", file=sys.stderr)
    try:
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
    except OSError as error:
        print(f"warning: no record of this run for the report: {error}", file=sys.stderr)


def read_record(file: Path) -> RunRecord | None:
    """The record in a file; None where there is none that can be read: what is only told must not
    keep anybody from the results."""
    try:
        return RunRecord.model_validate_json(file.read_bytes())
    except (OSError, ValueError):
        return None


def find_record(stage: str, digests: Mapping[str, str]) -> RunRecord | None:
    """The record of the last run of `stage` whose outputs are among these digests, by path, if
    there is one."""
    records = map(read_record, RUN_RECORDS.glob(f"{stage}-*.json"))
    those = [
        record
        for record in records
        if record
        and record.stage == stage
        and record.outs
        and record.outs.items() <= digests.items()
    ]
    return max(those, key=lambda record: record.ended, default=None)
