"""From names to a result: read, group, pair, and say how."""

from collections.abc import Sequence

from tench.core.errors import TenchError
from tench.core.names import BIDI_CONTROLS, escape_control_characters
from tench.core.paths import COSTS
from tench.report.compare.pairing import Comparison, compare_with_reference
from tench.report.compare.revisions import Selection, read_files, resolve_commits, select_revisions
from tench.report.compare.run_results import RESULT_FILES, Run, read_run
from tench.report.compare.seed_groups import (
    SeedGroup,
    describe_input_differences,
    distinct_inputs,
    group_by_seed,
    sort_by_validation,
)
from tench.report.compare.text_tables import ComparisonResult


def read_runs(chosen: Selection) -> tuple[list[Run], list[str], dict[str, str]]:
    """The runs of what was chosen; what to say of them; and why others have none, by the commit."""
    here = {one.commit for one in chosen.revisions}
    before = {one.before for one in chosen.revisions}
    found = read_files(here, RESULT_FILES)
    found |= read_files(before, [COSTS])
    known = resolve_commits(before | here)
    runs: list[Run] = []
    notes: list[str] = []
    left_out: dict[str, str] = {}
    for one in chosen.revisions:
        try:
            if one.commit not in known:
                raise TenchError("this clone does not have the commit; `git fetch` it")
            files = {
                file: found[one.commit, file]
                for file in RESULT_FILES
                if (one.commit, file) in found
            }
            earlier = {COSTS: found[one.before, COSTS]} if (one.before, COSTS) in found else {}
            run, more = read_run(one, files, earlier if one.before in known else None)
            runs.append(run)
            notes += more
        except TenchError as error:
            left_out[one.commit] = (
                f"{one.name} is left out: {escape_control_characters(str(error), BIDI_CONTROLS)}."
            )
    return runs, notes, left_out


def describe_comparison(
    groups: Sequence[SeedGroup], reference: SeedGroup | None, comparisons: Sequence[Comparison]
) -> list[str]:
    """What was compared and how, as sentences."""
    runs = sum(len(group.runs) for group in groups)
    beside = f", set against {reference.name}" if reference and len(groups) > 1 else ""
    lines = [
        f"{runs} runs in {len(groups)} groups{beside}; within a group they differ in the seed "
        "alone. Choose by validation accuracy, by which they are sorted: the best of several on "
        "the test images owes some of it to luck."
    ]
    if runs > len(groups):
        lines.append("Means over seeds, ± the standard deviation from seed to seed.")
    lines.append(
        "Seconds are those of the stages that a run ran itself: the others' results it found."
    )
    tested = [one for one in comparisons if one.difference]
    if any(len(one.seeds) == 1 for one in tested):
        lines.append(
            "p of one seed: McNemar's exact test on the same test images. It is about these two "
            "models; how far another seed would move each it does not say."
        )
    if any(len(one.seeds) > 1 for one in tested):
        lines.append(
            "p of several seeds: t test of the difference, paired by seed and image, its "
            "variance clustered by both (Cameron, Gelbach and Miller 2011). What other training "
            "images would change it does not say."
        )
    if len(tested) > 1:
        lines.append(f"p (Holm) is corrected for {len(tested)} comparisons.")
    return lines


def comparison_caveats(groups: Sequence[SeedGroup], comparisons: Sequence[Comparison]) -> list[str]:
    """What to bear in mind of groups and comparisons, as sentences."""
    lines = [
        f"{group.name}: {', '.join(f'{r.revision.name} (seed {r.seed})' for r in group.runs)}."
        for group in groups
        if len(group.runs) > 1
    ]
    lines += [
        f"{one.name} has the parameters and the seed of {one.counted_as}"
        f"{'' if one.equal else ', but not its scores'}: counted once."
        for group in groups
        for one in group.again
    ]
    noted: dict[str, list[str]] = {}
    for one in comparisons:
        noted.setdefault(one.note, []).append(one.group.name)
    lines += [f"{note}: {', '.join(names)}." for note, names in noted.items() if note]
    return lines


def compare_revisions(
    names: Sequence[str], all_commits: bool, against: str | None
) -> ComparisonResult:
    """Compare revisions; the arguments are those of `choose`.

    Raises:
        TenchError: there is nothing to compare, a name is unknown, or the reference asked for has
            no results.
    """
    chosen = select_revisions(names, all_commits, against)
    runs, notes, left_out = read_runs(chosen)
    if not runs:
        raise TenchError("nothing to compare:\n       " + "\n       ".join(left_out.values()))
    if against is not None and chosen.reference.commit in left_out:
        raise TenchError(f"--against {against}: {left_out[chosen.reference.commit]}")
    groups = sort_by_validation(group_by_seed(runs))
    reference = next((one for one in groups if chosen.reference.name in one.members), None)
    comparisons = compare_with_reference(groups, reference) if reference else []
    kinds = distinct_inputs([reference, *groups] if reference else groups)
    notes = [
        *chosen.notes,
        *left_out.values(),
        *notes,
        *comparison_caveats(groups, comparisons),
        *describe_input_differences(kinds),
    ]
    how = describe_comparison(groups, reference, comparisons)
    return ComparisonResult(groups, kinds, reference, comparisons, how, notes)
