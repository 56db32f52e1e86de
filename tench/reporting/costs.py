"""What the stages' runs cost, and where they ran, from their own records."""

from collections.abc import Hashable, Iterable
from typing import Any

from tench.console.record import Record, find_record
from tench.core.pipelines import Stages, digests
from tench.reporting.tables import Table, page_table

SHORT = 8  # characters of a commit


def records(stages: Stages) -> dict[str, Record]:
    """The records of the runs that made what the stages hold, by stage, in the order in which they
    ended."""
    found = [find_record(name, digests(stage, "outs")) for name, stage in stages.items()]
    return {run.stage: run for run in sorted(filter(None, found), key=lambda run: run.ended)}


def numbers(values: Iterable[Hashable]) -> dict[Any, int]:
    """Different values with a number each, from 1 on."""
    return {value: number for number, value in enumerate(dict.fromkeys(values), 1)}


def machine(run: Record) -> str:
    """Where a stage ran."""
    return f"{run.system}, {run.processor}, {run.cores} cores used"


def software(run: Record) -> tuple[tuple[str, str], ...]:
    """Python's and the packages' versions, by name."""
    return ("Python", run.python), *run.packages.items()


def in_words(versions: dict[str, str], first: dict[str, str]) -> str:
    """Versions in a line; of other than the `first` ones, what is different."""
    if versions == first:
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    others = [
        f"{name} {versions.get(name, 'none')}"
        for name in first | versions
        if versions.get(name) != first.get(name)
    ]
    return f"as 1, but {', '.join(others)}"


def cost_table(runs: dict[str, Record]) -> Table:
    """Seconds, memory, time and commit of every stage; which machine and packages, where there are
    several; and what the stages have to say themselves."""
    all_runs = runs.values()
    machines, packages = numbers(map(machine, all_runs)), numbers(map(software, all_runs))
    columns: dict[str, list[object]] = {
        "stage": list(runs),
        "seconds": [f"{run.seconds:.1f}" for run in all_runs],
        "peak memory, MB": [f"{run.peak_mb:.0f}" for run in all_runs],
        "ended (UTC)": [run.ended for run in all_runs],
        "commit": [
            (run.commit[:SHORT] or "none") + (" +" if run.changed else "") for run in all_runs
        ],
    }
    if len(machines) > 1:
        columns["machine"] = [machines[machine(run)] for run in all_runs]
    if len(packages) > 1:
        columns["packages"] = [packages[software(run)] for run in all_runs]
    for fact in {fact: None for run in all_runs for fact in run.facts}:
        columns[fact] = [run.facts.get(fact, "") for run in all_runs]
    return page_table(list(columns), list(zip(*columns.values(), strict=True)))


def place_table(runs: dict[str, Record]) -> Table:
    """The machines and the packages of the runs, numbered if there are several."""
    machines = numbers(map(machine, runs.values()))
    packages = [dict(one) for one in numbers(map(software, runs.values()))]
    texts = {
        "machine": list(machines),
        "packages": [in_words(one, packages[0]) for one in packages],
    }
    rows = [
        (f"{what}\N{NO-BREAK SPACE}{number}" if len(lines) > 1 else what, line)
        for what, lines in texts.items()
        for number, line in enumerate(lines, 1)
    ]
    return page_table(("what", "which"), rows, text=True)


def cost(stages: Stages, runs: dict[str, Record]) -> dict[str, Any]:
    """All that the template shows of the runs."""
    return {
        "stages": cost_table(runs),
        "where": place_table(runs),
        "known": bool(runs),
        "changed": any(run.changed for run in runs.values()),
        "missing": [name for name in stages if name not in runs],
    }
