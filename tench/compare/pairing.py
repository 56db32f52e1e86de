"""Groups beside a reference: which runs and pictures of both belong together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tench.compare.groups import Group
from tench.compare.results import Run
from tench.compare.significance import LEVEL, Difference, Paired, difference, holm
from tench.core.errors import TenchError

RAW = ("data", "raw")


class Comparison(NamedTuple):
    """A group beside the reference."""

    group: Group
    seeds: list[object]  # of the runs compared
    difference: Difference | None  # None where nothing can be said
    corrected: float  # p value, by Holm
    note: str  # why not, or on what

    @property
    def verdict(self) -> str:
        """What is shown of the difference, in a word or two."""
        if self.difference is None:
            return "not compared"
        if self.corrected >= LEVEL:
            return "not shown to differ"
        return "better" if self.difference.accuracy > 0 else "worse"


def paired(first: Run, second: Run) -> tuple[Paired, str]:
    """What two runs say of the test pictures that both have, none of which either has learnt from;
    and a remark where these are not all.

    Raises:
        TenchError: they have no test pictures in common.
    """
    names = f"{second.revision.name} and {first.revision.name}"
    one, two = first.answers, second.answers
    if one is None or two is None:
        missing = [run.revision.name for run in (first, second) if run.answers is None]
        raise TenchError(f"not compared, no answers of {' and '.join(missing)}")
    if repr(first.params.get(RAW)) != repr(second.params.get(RAW)):
        raise TenchError(f"{names} not paired: of other pictures (data.raw)")
    common = sorted(one.keys() & two.keys())
    if not common:
        raise TenchError(f"{names} not paired: no test picture in common (other classes or split)")
    others = sum(one[path][0] != two[path][0] for path in common)
    if others:
        raise TenchError(f"{names} not paired: other labels of test pictures ({others})")
    right = (np.array([said[path][1] for path in common], bool) for said in (one, two))
    some = len(common) < max(len(one), len(two))
    remark = f"only the {len(common)} test pictures that both have, of {len(two)} and {len(one)}"
    return Paired(common, *right), remark if some else ""


def beside(group: Group, reference: Group) -> Comparison:
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
            pair, remark = paired(first, second)
        except TenchError as error:
            remark = str(error)
        else:
            pairs.append(pair)
            seeds_compared.append(second.seed)
        remarks += [remark] if remark else []
    if len(both) < len(group.runs):
        alone = [str(run.seed) for run in group.runs if repr(run.seed) not in others]
        remarks.append(f"the reference has no run with seed {', '.join(alone)} to pair")
    found = difference(pairs) if pairs else None
    p_value = found.p_value if found else 1.0
    seeds_compared.sort(key=lambda seed: (len(str(seed)), str(seed)))
    return Comparison(group, seeds_compared, found, p_value, "; ".join(dict.fromkeys(remarks)))


def compared(groups: Sequence[Group], reference: Group) -> list[Comparison]:
    """Every other group beside the reference, with p values corrected for how many they are."""
    found = [beside(group, reference) for group in groups if group is not reference]
    tested = [place for place, one in enumerate(found) if one.difference]
    corrected = holm([found[place].corrected for place in tested])
    for place, p_value in zip(tested, corrected, strict=True):
        found[place] = found[place]._replace(corrected=p_value)
    return found
