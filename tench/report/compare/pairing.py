"""Groups beside a reference: which runs and images of both belong together."""

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
    """A group beside the reference."""

    group: SeedGroup
    seeds: list[object]  # of the runs compared
    difference: AccuracyDifference | None  # None where nothing can be said
    corrected_p_value: float  # p value, by Holm
    note: str  # why not, or on what

    @property
    def verdict(self) -> str:
        """What is shown of the difference, in a word or two."""
        if self.difference is None:
            return "not compared"
        if self.corrected_p_value >= SIGNIFICANCE_LEVEL:
            return "not shown to differ"
        return "better" if self.difference.accuracy > 0 else "worse"


def pair_predictions(first: Run, second: Run) -> tuple[PairedResults, str]:
    """What two runs say of the test images that both have, none of which either has learnt from;
    and a remark where these are not all.

    Raises:
        TenchError: they have no test images in common.
    """
    names = f"{second.revision.name} and {first.revision.name}"
    one, two = first.answers, second.answers
    if one is None or two is None:
        missing = [run.revision.name for run in (first, second) if run.answers is None]
        raise TenchError(f"not compared, no answers of {' and '.join(missing)}")
    if repr(first.params.get(RAW_KEY)) != repr(second.params.get(RAW_KEY)):
        raise TenchError(f"{names} not paired: of other images (data.raw)")
    common = sorted(one.keys() & two.keys())
    if not common:
        raise TenchError(f"{names} not paired: no test image in common (other classes or split)")
    others = sum(one[path][0] != two[path][0] for path in common)
    if others:
        raise TenchError(f"{names} not paired: other labels of test images ({others})")
    right = (np.array([said[path][1] for path in common], bool) for said in (one, two))
    some = len(common) < max(len(one), len(two))
    remark = f"only the {len(common)} test images that both have, of {len(two)} and {len(one)}"
    return PairedResults(common, *right), remark if some else ""


def compare_groups(group: SeedGroup, reference: SeedGroup) -> Comparison:
    """A group beside the reference, run by run of equal seed: the seed draws the test set, too."""
    others = {repr(run.seed): run for run in reference.runs}
    both = [(others[repr(run.seed)], run) for run in group.runs if repr(run.seed) in others]
    if not both:
        seeds = (", ".join(map(str, one.seeds)) for one in (group, reference))
        note = "not compared, no seed in common ({}; the reference {}): run one with the other's"
        note = note.format(*seeds)
        return Comparison(group, [], None, 1.0, note)
    pairs, seeds_compared, remarks = [], [], []
    for first, second in both:
        try:
            pair, remark = pair_predictions(first, second)
        except TenchError as error:
            remark = str(error)
        else:
            pairs.append(pair)
            seeds_compared.append(second.seed)
        remarks += [remark] if remark else []
    if len(both) < len(group.runs):
        alone = [str(run.seed) for run in group.runs if repr(run.seed) not in others]
        remarks.append(f"the reference has no run with seed {', '.join(alone)} to pair")
    found = accuracy_difference(pairs) if pairs else None
    p_value = found.p_value if found else 1.0
    seeds_compared.sort(key=lambda seed: (len(str(seed)), str(seed)))
    return Comparison(group, seeds_compared, found, p_value, "; ".join(dict.fromkeys(remarks)))


def compare_with_reference(groups: Sequence[SeedGroup], reference: SeedGroup) -> list[Comparison]:
    """Every other group beside the reference, with p values corrected for how many they are."""
    found = [compare_groups(group, reference) for group in groups if group is not reference]
    tested = [place for place, one in enumerate(found) if one.difference]
    corrected = holm_correction([found[place].corrected_p_value for place in tested])
    for place, p_value in zip(tested, corrected, strict=True):
        found[place] = found[place]._replace(corrected_p_value=p_value)
    return found
