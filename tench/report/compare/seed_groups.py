"""Groups of runs that differ only in the seed, with means and standard deviations."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

from tench.report.compare.lock_inputs import Inputs
from tench.report.compare.run_results import SEED_KEY, Run
from tench.report.lock.parameters import ABSENT, Key

MADE_WITH_KEY: Key = ("made with",)  # extra column if code, data or packages differ
MAX_NAMES_LISTED = 8  # files and packages


class RepeatedRun(NamedTuple):
    """A revision that is not counted, because another has the same parameters and seed."""

    name: str
    counted_as: str  # name of the other revision
    equal: bool  # whether both have the same scores


class SeedGroup(NamedTuple):
    """Runs with the same parameters (except the seed), code, data and packages."""

    params: dict[Key, Any]  # without the seed
    inputs: Inputs
    runs: list[Run]  # one per seed
    repeated: list[RepeatedRun]

    @property
    def name(self) -> str:
        """Name of the first revision, and the number of others."""
        more = len(self.runs) - 1
        return self.runs[0].revision.name + (f" +{more}" if more else "")

    @property
    def members(self) -> set[str]:
        """Names of all revisions, counted or not."""
        return {run.revision.name for run in self.runs} | {one.name for one in self.repeated}

    @property
    def seeds(self) -> list[Any]:
        """Seed of each run."""
        return [run.seed for run in self.runs]


class MeanDeviation(NamedTuple):
    """Mean and sample standard deviation over seeds."""

    mean: float
    deviation: float | None  # None for a single seed


def mean_and_deviation(values: Iterable[float | None]) -> MeanDeviation | None:
    """Return mean and sample standard deviation (n - 1) of known values; None without any."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return MeanDeviation(mean(known), stdev(known) if len(known) > 1 else None)


def first_run_per_seed(runs: Sequence[Run]) -> tuple[list[Run], list[RepeatedRun]]:
    """Return the first run per seed, with the cost of any run of that seed, and the others."""
    by_seed: dict[str, Run] = {}
    repeated = []
    for run in runs:
        first = by_seed.setdefault(repr(run.seed), run)
        if first is not run:
            equal = run.scores == first.scores
            repeated.append(RepeatedRun(run.revision.name, first.revision.name, equal))
            by_seed[repr(run.seed)] = first._replace(cost=first.cost or run.cost)
    return list(by_seed.values()), repeated


def group_by_seed(runs: Sequence[Run]) -> list[SeedGroup]:
    """Group runs that differ only in the seed, in order of first appearance."""
    runs_by_key: dict[object, list[Run]] = {}
    for run in runs:
        params = tuple(sorted((key, repr(v)) for key, v in run.params.items() if key != SEED_KEY))
        runs_by_key.setdefault((params, run.inputs), []).append(run)
    return [
        SeedGroup(
            {key: value for key, value in members[0].params.items() if key != SEED_KEY},
            members[0].inputs,
            *first_run_per_seed(members),
        )
        for members in runs_by_key.values()
    ]


def sort_by_validation(groups: Sequence[SeedGroup]) -> list[SeedGroup]:
    """Sort by validation accuracy, best first. Sorting by test accuracy would bias the best."""

    def accuracy(group: SeedGroup) -> float:
        score = mean_and_deviation(run.validation for run in group.runs)
        return score.mean if score else -1.0

    return sorted(groups, key=accuracy, reverse=True)


def param_value(params: dict[Key, Any], name: Key) -> Any:
    """Return the value of a parameter, which may be a mapping such as data.classes."""
    below = {key[2:]: value for key, value in sorted(params.items()) if key[:2] == name}
    if not below:
        return ABSENT
    return below.get((), {".".join(key): value for key, value in below.items()})


def varying_params(groups: Sequence[SeedGroup], kinds: Sequence[Inputs]) -> dict[Key, list[Any]]:
    """Return the parameters that differ between groups, with the value of each group.

    If there are several `kinds` of inputs, MADE_WITH_KEY has a letter per group.
    """
    names = dict.fromkeys(key[:2] for group in groups for key in group.params)
    values = {name: [param_value(group.params, name) for group in groups] for name in names}
    varying = {name: each for name, each in values.items() if len(set(map(repr, each))) > 1}
    if len(kinds) > 1:
        varying[MADE_WITH_KEY] = [letter_label(kinds.index(group.inputs)) for group in groups]
    return varying


def letter_label(number: int) -> str:
    """Return A, B, …, Z, A1, … for 0, 1, …"""
    return chr(ord("A") + number % 26) + (str(number // 26) if number > 25 else "")


def distinct_inputs(groups: Sequence[SeedGroup]) -> list[Inputs]:
    """Return the distinct inputs (code, data and packages) of the groups."""
    return list(dict.fromkeys(group.inputs for group in groups))


def describe_input_differences(kinds: Sequence[Inputs]) -> list[str]:
    """Describe how each kind of inputs differs from the first."""
    first, *others = kinds
    lines = []
    for number, other in enumerate(others, 1):
        names = sorted({name for name, _ in first ^ other})
        more = f" and {len(names) - MAX_NAMES_LISTED} more" if len(names) > MAX_NAMES_LISTED else ""
        text = f"in {', '.join(names[:MAX_NAMES_LISTED])}{more}"
        if not (first and other):
            text = "but one of them has no dvc.lock"
        lines.append(f"Made with: {letter_label(number)} differs from A {text}.")
    return lines
