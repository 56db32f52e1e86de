"""Runs that differ in their seed alone, as one: what they share, their means and spread."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

from tench.report.compare.lock_inputs import Inputs
from tench.report.compare.run_results import SEED_KEY, Run
from tench.report.lock.parameters import ABSENT, Key

MADE_WITH_KEY: Key = (
    "made with",
)  # stands among the parameters where code, data or packages differ
MAX_NAMES_LISTED = 8  # files and packages at most


class RepeatedRun(NamedTuple):
    """A revision that is not counted, since another has its parameters and its seed."""

    name: str
    counted_as: str  # the other's name
    equal: bool  # whether their scores are


class SeedGroup(NamedTuple):
    """Runs with the same parameters but the seed, of the same code, data and packages."""

    params: dict[Key, Any]  # without the seed
    inputs: Inputs
    runs: list[Run]  # one a seed
    again: list[RepeatedRun]

    @property
    def name(self) -> str:
        """Its first revision, and how many more there are."""
        more = len(self.runs) - 1
        return self.runs[0].revision.name + (f" +{more}" if more else "")

    @property
    def members(self) -> set[str]:
        """The names of all its revisions, counted or not."""
        return {run.revision.name for run in self.runs} | {one.name for one in self.again}

    @property
    def seeds(self) -> list[Any]:
        """One a run."""
        return [run.seed for run in self.runs]


class MeanDeviation(NamedTuple):
    """A mean over seeds."""

    mean: float
    deviation: float | None  # standard, of the sample; None for a single seed


def mean_and_deviation(values: Iterable[float | None]) -> MeanDeviation | None:
    """The mean and the standard deviation of what is known of some values (divided by their number
    less one); None where nothing is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return MeanDeviation(mean(known), stdev(known) if len(known) > 1 else None)


def first_run_per_seed(runs: Sequence[Run]) -> tuple[list[Run], list[RepeatedRun]]:
    """One run a seed, the first, with what is known of the cost from any; and the others."""
    kept: dict[str, Run] = {}
    again = []
    for run in runs:
        first = kept.setdefault(repr(run.seed), run)
        if first is not run:
            equal = run.scores == first.scores
            again.append(RepeatedRun(run.revision.name, first.revision.name, equal))
            kept[repr(run.seed)] = first._replace(cost=first.cost or run.cost)
    return list(kept.values()), again


def group_by_seed(runs: Sequence[Run]) -> list[SeedGroup]:
    """Groups of runs, in the order of their first."""
    found: dict[object, list[Run]] = {}
    for run in runs:
        params = tuple(sorted((key, repr(v)) for key, v in run.params.items() if key != SEED_KEY))
        found.setdefault((params, run.inputs), []).append(run)
    return [
        SeedGroup(
            {key: value for key, value in those[0].params.items() if key != SEED_KEY},
            those[0].inputs,
            *first_run_per_seed(those),
        )
        for those in found.values()
    ]


def sort_by_validation(groups: Sequence[SeedGroup]) -> list[SeedGroup]:
    """The best on validation first; never by the test images, which would flatter the first."""

    def accuracy(group: SeedGroup) -> float:
        found = mean_and_deviation(run.validation for run in group.runs)
        return found.mean if found else -1.0

    return sorted(groups, key=accuracy, reverse=True)


def param_value(params: dict[Key, Any], name: Key) -> Any:
    """The value of a parameter, which may be a mapping such as data.classes."""
    below = {key[2:]: value for key, value in sorted(params.items()) if key[:2] == name}
    if not below:
        return ABSENT
    return below.get((), {".".join(key): value for key, value in below.items()})


def varying_params(groups: Sequence[SeedGroup], kinds: Sequence[Inputs]) -> dict[Key, list[Any]]:
    """The parameters that differ among groups, with each group's value; and under MADE_WITH, where
    there are several kinds of code, data and packages, a letter for each group's."""
    names = dict.fromkeys(key[:2] for group in groups for key in group.params)
    values = {name: [param_value(group.params, name) for group in groups] for name in names}
    found = {name: those for name, those in values.items() if len(set(map(repr, those))) > 1}
    if len(kinds) > 1:
        found[MADE_WITH_KEY] = [letter_label(kinds.index(group.inputs)) for group in groups]
    return found


def letter_label(number: int) -> str:
    """A, B, …, Z, A1, …"""
    return chr(ord("A") + number % 26) + (str(number // 26) if number > 25 else "")


def distinct_inputs(groups: Sequence[SeedGroup]) -> list[Inputs]:
    """The different code, data and packages that groups were made with."""
    return list(dict.fromkeys(group.inputs for group in groups))


def describe_input_differences(kinds: Sequence[Inputs]) -> list[str]:
    """In what kinds of code, data and packages differ from the first, as sentences."""
    first, *others = kinds
    lines = []
    for number, other in enumerate(others, 1):
        names = sorted({name for name, _ in first ^ other})
        more = f" and {len(names) - MAX_NAMES_LISTED} more" if len(names) > MAX_NAMES_LISTED else ""
        text = f"other {', '.join(names[:MAX_NAMES_LISTED])}{more}"
        if not (first and other):
            text = "one of them has no dvc.lock that tells"
        lines.append(f"Made with {letter_label(number)}, not A: {text}.")
    return lines
