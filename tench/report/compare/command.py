"""Compare revisions: read their results, group them by seed, and test differences."""

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


def read_runs(selection: Selection) -> tuple[list[Run], list[str], dict[str, str]]:
    """Read the runs of the selected revisions.

    Returns:
        The runs, notes on them, and by commit the reason why a revision is skipped.
    """
    commits = {revision.commit for revision in selection.revisions}
    parents = {revision.before for revision in selection.revisions}
    contents = read_files(commits, RESULT_FILES) | read_files(parents, [COSTS])
    resolved = resolve_commits(parents | commits)
    runs: list[Run] = []
    notes: list[str] = []
    skipped: dict[str, str] = {}
    for revision in selection.revisions:
        commit, parent = revision.commit, revision.before
        try:
            if commit not in resolved:
                raise TenchError("the commit is not in this clone; run `git fetch`")
            files = {f: contents[commit, f] for f in RESULT_FILES if (commit, f) in contents}
            costs = {COSTS: contents[parent, COSTS]} if (parent, COSTS) in contents else {}
            run, run_notes = read_run(revision, files, costs if parent in resolved else None)
            runs.append(run)
            notes += run_notes
        except TenchError as error:
            reason = escape_control_characters(str(error), BIDI_CONTROLS)
            skipped[commit] = f"{revision.name} is skipped: {reason}."
    return runs, notes, skipped


def describe_comparison(
    groups: Sequence[SeedGroup], reference: SeedGroup | None, comparisons: Sequence[Comparison]
) -> list[str]:
    """Describe what was compared and how."""
    runs = sum(len(group.runs) for group in groups)
    compared = f", compared with {reference.name}" if reference and len(groups) > 1 else ""
    lines = [
        f"{runs} runs in {len(groups)} groups{compared}. Runs in a group differ only in the seed. "
        "Groups are sorted by validation accuracy: choose by it, because the best test accuracy "
        "of several groups is partly luck."
    ]
    if runs > len(groups):
        lines.append("Scores are means over seeds ± standard deviation between seeds.")
    lines.append("Seconds cover the stages that a run executed, not results found in the cache.")
    tested = [one for one in comparisons if one.difference]
    if any(len(one.seeds) == 1 for one in tested):
        lines.append(
            "p with one seed: McNemar's exact test on the same test images. It compares these two "
            "models and does not cover variation between seeds."
        )
    if any(len(one.seeds) > 1 for one in tested):
        lines.append(
            "p with several seeds: t-test of the difference, paired by seed and image, with "
            "variance clustered by both (Cameron, Gelbach and Miller 2011). It does not cover "
            "variation between training sets."
        )
    if len(tested) > 1:
        lines.append(f"p (Holm) is corrected for {len(tested)} comparisons.")
    return lines


def comparison_caveats(groups: Sequence[SeedGroup], comparisons: Sequence[Comparison]) -> list[str]:
    """List group members, repeated runs, and limits of the comparisons."""
    lines = [
        f"{group.name}: {', '.join(f'{r.revision.name} (seed {r.seed})' for r in group.runs)}."
        for group in groups
        if len(group.runs) > 1
    ]
    lines += [
        f"{one.name} has the same parameters and seed as {one.counted_as}"
        f"{'' if one.equal else ' but different scores'}: counted once."
        for group in groups
        for one in group.repeated
    ]
    names_by_note: dict[str, list[str]] = {}
    for one in comparisons:
        names_by_note.setdefault(one.note, []).append(one.group.name)
    lines += [f"{', '.join(names)}: {note}." for note, names in names_by_note.items() if note]
    return lines


def compare_revisions(
    names: Sequence[str], all_commits: bool, against: str | None
) -> ComparisonResult:
    """Compare revisions. The arguments are those of `select_revisions`.

    Raises:
        TenchError: There is nothing to compare, a name is unknown, or the requested reference has
            no results.
    """
    selection = select_revisions(names, all_commits, against)
    runs, notes, skipped = read_runs(selection)
    if not runs:
        raise TenchError("nothing to compare:\n       " + "\n       ".join(skipped.values()))
    if against is not None and selection.reference.commit in skipped:
        raise TenchError(f"--against {against}: {skipped[selection.reference.commit]}")
    groups = sort_by_validation(group_by_seed(runs))
    reference = next((one for one in groups if selection.reference.name in one.members), None)
    comparisons = compare_with_reference(groups, reference) if reference else []
    kinds = distinct_inputs([reference, *groups] if reference else groups)
    notes = [
        *selection.notes,
        *skipped.values(),
        *notes,
        *comparison_caveats(groups, comparisons),
        *describe_input_differences(kinds),
    ]
    how = describe_comparison(groups, reference, comparisons)
    return ComparisonResult(groups, kinds, reference, comparisons, how, notes)
