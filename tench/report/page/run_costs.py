"""Cost and machine of each stage, from its run record."""

from collections.abc import Hashable, Iterable
from typing import Any

from tench.report.page.tables import Table, page_table
from tench.run.dvc_files import Stages, stage_digests
from tench.run.record import RunRecord, find_record

SHORT_COMMIT = 8  # characters of a commit


def find_run_records(stages: Stages) -> dict[str, RunRecord]:
    """Find the records of the runs that made the stages' outputs, by stage, in order of ending."""
    records = [find_record(name, stage_digests(stage, "outs")) for name, stage in stages.items()]
    return {run.stage: run for run in sorted(filter(None, records), key=lambda run: run.ended)}


def number_distinct(values: Iterable[Hashable]) -> dict[Any, int]:
    """Number distinct values from 1, in order of appearance."""
    return {value: number for number, value in enumerate(dict.fromkeys(values), 1)}


def machine_name(run: RunRecord) -> str:
    """Describe the machine a stage ran on."""
    return f"{run.system}, {run.processor}, {run.cores} cores used"


def package_versions(run: RunRecord) -> tuple[tuple[str, str], ...]:
    """Return the versions of Python and of the packages, by name."""
    return ("Python", run.python), *run.packages.items()


def describe_versions(versions: dict[str, str], first: dict[str, str]) -> str:
    """List versions, or only those that differ from the `first` environment."""
    if versions == first:
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    changes = [
        f"{name} {versions.get(name, 'not installed')}"
        for name in first | versions
        if versions.get(name) != first.get(name)
    ]
    return f"same as 1, except {', '.join(changes)}"


def cost_table(runs: dict[str, RunRecord]) -> Table:
    """Return time, memory and commit per stage, its own facts, and its environment if several."""
    all_runs = runs.values()
    machines, packages = (
        number_distinct(map(machine_name, all_runs)),
        number_distinct(map(package_versions, all_runs)),
    )
    columns: dict[str, list[object]] = {
        "stage": list(runs),
        "seconds": [f"{run.seconds:.1f}" for run in all_runs],
        "peak memory, MB": [f"{run.peak_mb:.0f}" for run in all_runs],
        "ended (UTC)": [run.ended for run in all_runs],
        "commit": [
            (run.commit[:SHORT_COMMIT] or "none") + (" +" if run.changed else "")
            for run in all_runs
        ],
    }
    if len(machines) > 1:
        columns["machine"] = [machines[machine_name(run)] for run in all_runs]
    if len(packages) > 1:
        columns["packages"] = [packages[package_versions(run)] for run in all_runs]
    for fact in {fact: None for run in all_runs for fact in run.facts}:
        columns[fact] = [run.facts.get(fact, "") for run in all_runs]
    return page_table(list(columns), list(zip(*columns.values(), strict=True)))


def environment_table(runs: dict[str, RunRecord]) -> Table:
    """Return the machines and packages of the runs, numbered if there are several."""
    machines = number_distinct(map(machine_name, runs.values()))
    packages = [dict(items) for items in number_distinct(map(package_versions, runs.values()))]
    texts = {
        "machine": list(machines),
        "packages": [describe_versions(versions, packages[0]) for versions in packages],
    }
    rows = [
        (f"{name}\N{NO-BREAK SPACE}{number}" if len(lines) > 1 else name, line)
        for name, lines in texts.items()
        for number, line in enumerate(lines, 1)
    ]
    return page_table(("environment", "details"), rows, text=True)


def cost_section(stages: Stages, runs: dict[str, RunRecord]) -> dict[str, Any]:
    """Return the template context on the runs."""
    return {
        "stages": cost_table(runs),
        "environments": environment_table(runs),
        "known": bool(runs),
        "changed": any(run.changed for run in runs.values()),
        "missing": [name for name in stages if name not in runs],
    }
