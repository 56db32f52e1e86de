"""The comparison as text: for the terminal, for a spreadsheet, for a pull request."""

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from tench.core.names import BIDI_CONTROLS, escape_control_characters, escape_formula
from tench.report.compare.lock_inputs import Inputs
from tench.report.compare.pairing import Comparison
from tench.report.compare.seed_groups import (
    MADE_WITH_KEY,
    MeanDeviation,
    SeedGroup,
    mean_and_deviation,
    varying_params,
)
from tench.report.lock.parameters import ABSENT, Key
from tench.report.page.tables import markdown_table

TEXT_WIDTH = 100  # columns of a terminal
MAX_VALUE_CHARS = 20  # characters of a parameter's value
MAX_PARAM_COLUMNS = 5  # of parameters
METRICS_WITH_DEVIATION = ("validation accuracy", "test accuracy")  # with their deviation
Rows = list[tuple[str, ...]]  # the first is the header, in whose cells a line may end


class ComparisonResult(NamedTuple):
    """All there is to say."""

    groups: list[SeedGroup]  # the best on validation first
    kinds: list[Inputs]  # of code, data and packages, the reference's first
    reference: SeedGroup | None
    comparisons: list[Comparison]  # of the other groups, in their order
    how: list[str]  # what was compared and how, as sentences
    notes: list[str]  # what to bear in mind


def plain_param_value(value: Any) -> str:
    """A parameter's value, as it stands in params.yaml as far as that is short."""
    if value is ABSENT:
        return "(none)"
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)


def printable(text: str) -> str:
    """Text without what moves a terminal's cursor, sets its colors or turns text around; such
    characters become escapes like \\x1b. Lines are kept."""
    return "\n".join(escape_control_characters(line, BIDI_CONTROLS) for line in text.split("\n"))


def dotted(key: Key, between: str = ".") -> str:
    """A parameter's key on one line, or with `between` where a line may end."""
    return between.join(escape_control_characters(part, BIDI_CONTROLS) for part in key)


def shorten(text: str) -> str:
    """A text in LONGEST characters."""
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"


def format_score_spread(name: str, found: MeanDeviation | None) -> str:
    """A mean; of an accuracy of all images its standard deviation, too."""
    if found is None:
        return "unknown"
    told = name in METRICS_WITH_DEVIATION and found.deviation is not None
    return f"{found.mean:.4f}" + (f"±{found.deviation:.4f}" if told else "")


def score_spreads(group: SeedGroup) -> dict[str, MeanDeviation | None]:
    """The scores of a group, by name."""
    scores = [run.scores for run in group.runs]
    return {
        "validation accuracy": mean_and_deviation(run.validation for run in group.runs),
        "test accuracy": mean_and_deviation(one.finetuned.accuracy for one in scores),
        "test loss": mean_and_deviation(one.finetuned.loss for one in scores),
        "macro F1": mean_and_deviation(one.macro_f1 for one in scores),
        "balanced accuracy": mean_and_deviation(one.balanced_accuracy for one in scores),
    }


def mean_cost(group: SeedGroup) -> tuple[MeanDeviation | None, str]:
    """The seconds a run of the group cost, and how many stages those are of."""
    known = [run.cost for run in group.runs if run.cost]
    stages = sorted({one.stages for one in known})
    return mean_and_deviation(one.seconds for one in known), " to ".join(
        map(str, stages[:1] + stages[1:][-1:])
    )


def param_columns(result: ComparisonResult) -> tuple[dict[Key, list[Any]], list[str]]:
    """The parameters that differ, with each group's value, as columns; where they are too many, as
    sentences instead: what each group has otherwise than the reference, or else the first."""
    found = varying_params(result.groups, result.kinds)
    if len(found) <= MAX_PARAM_COLUMNS:
        return found, []
    made_with = {MADE_WITH_KEY: found.pop(MADE_WITH_KEY)} if MADE_WITH_KEY in found else {}
    place = result.groups.index(result.reference) if result.reference else 0
    lines = []
    for number, group in enumerate(result.groups):
        others = [
            f"{dotted(key)} = {shorten(plain_param_value(values[number]))}"
            for key, values in found.items()
            if repr(values[number]) != repr(values[place])
        ]
        if others:
            lines.append(f"{group.name}, not {result.groups[place].name}: {', '.join(others)}.")
    return made_with, lines


def group_rows(result: ComparisonResult) -> Rows:
    """A row for every group: parameters that differ, seeds, scores, cost."""
    groups, (differing, _) = result.groups, param_columns(result)
    scores = [score_spreads(group) for group in groups]
    given = [name for name in scores[0] if any(one[name] for one in scores)]
    names = (dotted(key, ".\n") for key in differing)
    breaks = (name.replace(" ", "\n") for name in given)
    rows: Rows = [("name", *names, "seeds", *breaks, "seconds\n(stages)")]
    for place, group in enumerate(groups):
        seconds, stages = mean_cost(group)
        rows.append(
            (
                group.name,
                *(shorten(plain_param_value(values[place])) for values in differing.values()),
                str(len(group.runs)),
                *(format_score_spread(name, scores[place][name]) for name in given),
                f"{seconds.mean:.1f} ({stages})" if seconds else "unknown",
            )
        )
    return rows


def format_p_value(p_value: float) -> str:
    """A p value."""
    return f"{p_value:.2g}" if p_value >= 1e-4 else "<0.0001"


def comparison_rows(result: ComparisonResult) -> Rows:
    """A row for every group beside the reference."""
    if result.reference is None:
        return []
    ends = (
        "only it\nright",
        f"only {shorten(result.reference.name)}\nright",
        "accuracy\ndifference",
    )
    rows: Rows = [("name", "seeds", "test\nimages", *ends, "p", "p\n(Holm)", "verdict")]
    for one in result.comparisons:
        found = one.difference
        figures: tuple[str, ...] = ("",) * 7
        if found:
            counts = (found.images, found.only_second, found.only_first)
            p_values = (format_p_value(found.p_value), format_p_value(one.corrected_p_value))
            seeds = shorten(", ".join(map(plain_param_value, one.seeds)))
            figures = (seeds, *map(str, counts), f"{found.accuracy:+.4f}", *p_values)
        rows.append((one.group.name, *figures, one.verdict))
    return rows


def single_line_headers(rows: Rows, between: str = "") -> Rows:
    """Rows whose header has no line ends, but `between` after the dot in a parameter's key."""
    joined = (cell.replace(".\n", f".{between}").replace("\n", " ") for cell in rows[0])
    return [tuple(joined), *rows[1:]]


def align_columns(rows: Rows) -> str:
    """Rows in columns for the terminal: the first column to the left, the others to the right."""
    parts = [cell.split("\n") for cell in rows[0]]
    height = max(map(len, parts))
    filled = [[""] * (height - len(part)) + part for part in parts]
    lines = [*zip(*filled, strict=True), *rows[1:]]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = []
    for first, *rest in lines:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        shown.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*shown[:height], rule, *shown[height:]])


def bullet_list(sentences: Sequence[str]) -> str:
    """Sentences as a list, in lines of WIDTH."""
    return "\n".join(
        textwrap.fill(
            one,
            TEXT_WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in sentences
    )


def result_notes(result: ComparisonResult) -> list[str]:
    """What was compared and how, what differs where no column tells, what to bear in mind."""
    found = [*result.how, *param_columns(result)[1], *result.notes]
    return [escape_control_characters(one, BIDI_CONTROLS) for one in found]


def to_text(result: ComparisonResult) -> str:
    """All of it for the terminal."""
    parts = [align_columns(group_rows(result))]
    if result.comparisons:
        parts.append(align_columns(comparison_rows(result)))
    return "\n\n".join([*parts, bullet_list(result_notes(result))])


def escape_markdown_rows(rows: Rows) -> Rows:
    """Rows whose cells are nothing but text in Markdown."""
    marks = {ord(mark): f"\\{mark}" for mark in "\\|`*_<>[]"}
    return [tuple(cell.translate(marks) for cell in row) for row in rows]


def to_markdown(result: ComparisonResult) -> str:
    """All of it for a pull request."""
    tables = [group_rows(result)]
    if result.comparisons:
        tables.append(comparison_rows(result))
    parts = [markdown_table(escape_markdown_rows(single_line_headers(rows))) for rows in tables]
    lines: Rows = [(one,) for one in result_notes(result)]
    return "\n\n".join([*parts, "\n".join(f"- {one}" for (one,) in escape_markdown_rows(lines))])


def spreadsheet_cell(value: object) -> object:
    """A value as a cell that no spreadsheet takes for a formula."""
    return escape_formula(value) if isinstance(value, str) else value


def to_csv(result: ComparisonResult) -> str:
    """A row for every group, with all figures in full, as CSV."""
    differing = varying_params(result.groups, result.kinds)
    beside = {one.group.name: one for one in result.comparisons}
    rows: list[dict[str, object]] = []
    for place, group in enumerate(result.groups):
        row: dict[str, object] = {"name": group.name}
        row["revisions"] = " ".join(run.revision.name for run in group.runs)
        row["commits"] = " ".join(run.revision.commit for run in group.runs)
        row |= {dotted(key): plain_param_value(values[place]) for key, values in differing.items()}
        row |= {"seeds": len(group.runs)}
        for name, found in score_spreads(group).items():
            column = name.lower().replace(" ", "_")
            row[column] = found.mean if found else ""
            row[f"{column}_deviation"] = "" if found is None else found.deviation
        seconds, stages = mean_cost(group)
        row |= {"seconds": seconds.mean if seconds else "", "stages": stages}
        row["reference"] = result.reference.name if result.reference else ""
        row |= reference_cells(beside.get(group.name))
        rows.append(row)
    out = io.StringIO()
    table = csv.DictWriter(out, [escape_formula(name) for name in rows[0]], lineterminator="\n")
    table.writeheader()
    table.writerows(
        {escape_formula(name): spreadsheet_cell(value) for name, value in row.items()}
        for row in rows
    )
    return out.getvalue().rstrip("\n")


def reference_cells(one: Comparison | None) -> dict[str, object]:
    """What the CSV has of a group beside the reference."""
    found = one.difference if one else None
    seeds = " ".join(map(plain_param_value, one.seeds)) if one else ""
    return {
        "seeds_paired": seeds,
        "images_paired": found.images if found else "",
        "only_it_right": found.only_second if found else "",
        "only_reference_right": found.only_first if found else "",
        "accuracy_difference": found.accuracy if found else "",
        "p_value": found.p_value if found else "",
        "p_value_holm": one.corrected_p_value if one and found else "",
        "verdict": one.verdict if one else "",
        "note": one.note if one else "",
    }
