"""Comparison of groups with a reference, paired by seed and test image."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tench.core.errors import TenchError
from tench.report.compare.run_results import Run
from tench.report.compare.seed_groups import SeedGroup
from tench.report.compare.significance import (
    SIGNIFICANCE_LEVEL,
    AccuracyDifference,
    PairedResults,
    accuracy_difference,
    holm_correction,
)

RAW_KEY = ("data", "raw")


class Comparison(NamedTuple):
    """Comparison of a group with the reference."""

    group: SeedGroup
    seeds: list[object]  # of the paired runs
    difference: AccuracyDifference | None  # None if no runs could be paired
    corrected_p_value: float  # after Holm's correction
    note: str  # limits of the comparison, or why there is none

    @property
    def verdict(self) -> str:
        """The result in a word or two."""
        if self.difference is None:
            return "not compared"
        if self.corrected_p_value >= SIGNIFICANCE_LEVEL:
            return "not significant"
        return "better" if self.difference.accuracy > 0 else "worse"


def pair_predictions(first: Run, second: Run) -> tuple[PairedResults, str]:
    """Pair the predictions of two runs on their common test images.

    Returns:
        The paired results, and a remark if the runs have other test images, too.

    Raises:
        TenchError: The runs cannot be paired.
    """
    names = f"{second.revision.name} and {first.revision.name}"
    one, two = first.predictions, second.predictions
    if one is None or two is None:
        missing = [run.revision.name for run in (first, second) if run.predictions is None]
        raise TenchError(f"not compared, no predictions of {' and '.join(missing)}")
    if repr(first.params.get(RAW_KEY)) != repr(second.params.get(RAW_KEY)):
        raise TenchError(f"{names} not paired: different images (data.raw)")
    common = sorted(one.keys() & two.keys())
    if not common:
        raise TenchError(
            f"{names} not paired: no test images in common (different classes or split)"
        )
    relabeled = sum(one[path][0] != two[path][0] for path in common)
    if relabeled:
        raise TenchError(f"{names} not paired: different labels of test images ({relabeled})")
    correct = (np.array([run[path][1] for path in common], bool) for run in (one, two))
    partial = len(common) < max(len(one), len(two))
    remark = f"only on the {len(common)} test images in common, of {len(two)} and {len(one)}"
    return PairedResults(common, *correct), remark if partial else ""


def compare_groups(group: SeedGroup, reference: SeedGroup) -> Comparison:
    """Compare a group with the reference, paired by seed, because the seed draws the test set."""
    by_seed = {repr(run.seed): run for run in reference.runs}
    run_pairs = [(by_seed[repr(run.seed)], run) for run in group.runs if repr(run.seed) in by_seed]
    if not run_pairs:
        own, other = (", ".join(map(str, each.seeds)) for each in (group, reference))
        note = f"not compared, no seed in common ({own}; reference {other}); run one of these seeds"
        return Comparison(group, [], None, 1.0, note)
    pairs, seeds_compared, remarks = [], [], []
    for first, second in run_pairs:
        try:
            pair, remark = pair_predictions(first, second)
        except TenchError as error:
            remark = str(error)
        else:
            pairs.append(pair)
            seeds_compared.append(second.seed)
        remarks += [remark] if remark else []
    if len(run_pairs) < len(group.runs):
        unpaired = [str(run.seed) for run in group.runs if repr(run.seed) not in by_seed]
        remarks.append(f"the reference has no run with seed {', '.join(unpaired)}")
    difference = accuracy_difference(pairs) if pairs else None
    p_value = difference.p_value if difference else 1.0
    seeds_compared.sort(key=lambda seed: (len(str(seed)), str(seed)))
    return Comparison(group, seeds_compared, difference, p_value, "; ".join(dict.fromkeys(remarks)))


def compare_with_reference(groups: Sequence[SeedGroup], reference: SeedGroup) -> list[Comparison]:
    """Compare every other group with the reference, and correct p values for multiple tests."""
    comparisons = [compare_groups(group, reference) for group in groups if group is not reference]
    tested = [index for index, one in enumerate(comparisons) if one.difference]
    corrected = holm_correction([comparisons[index].corrected_p_value for index in tested])
    for index, p_value in zip(tested, corrected, strict=True):
        comparisons[index] = comparisons[index]._replace(corrected_p_value=p_value)
    return comparisons
