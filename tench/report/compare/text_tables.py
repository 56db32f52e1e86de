"""The comparison as text: aligned columns, CSV or Markdown."""

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
MAX_PARAM_COLUMNS = 5  # with more parameters, notes replace the columns
METRICS_WITH_DEVIATION = ("validation accuracy", "test accuracy")
Rows = list[tuple[str, ...]]  # the first row is the header, whose cells may have line breaks


class ComparisonResult(NamedTuple):
    """Result of a comparison."""

    groups: list[SeedGroup]  # sorted by validation accuracy, best first
    kinds: list[Inputs]  # distinct code, data and packages, those of the reference first
    reference: SeedGroup | None
    comparisons: list[Comparison]  # of the other groups with the reference
    how: list[str]  # sentences on what was compared and how
    notes: list[str]  # sentences on limits and skipped revisions


def plain_param_value(value: Any) -> str:
    """Format a parameter's value as in params.yaml, with unprintable characters replaced."""
    if value is ABSENT:
        return "(none)"
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)


def printable(text: str) -> str:
    """Escape control and bidirectional characters, except line ends, as \\x1b and so on."""
    return "\n".join(escape_control_characters(line, BIDI_CONTROLS) for line in text.split("\n"))


def dotted(key: Key, between: str = ".") -> str:
    """Join a parameter's key with `between`, with control characters escaped."""
    return between.join(escape_control_characters(part, BIDI_CONTROLS) for part in key)


def shorten(text: str) -> str:
    """Truncate a text to MAX_VALUE_CHARS characters."""
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 1]}…"


def format_score_spread(name: str, score: MeanDeviation | None) -> str:
    """Format the mean of a metric and, for METRICS_WITH_DEVIATION, its standard deviation."""
    if score is None:
        return "unknown"
    with_deviation = name in METRICS_WITH_DEVIATION and score.deviation is not None
    return f"{score.mean:.4f}" + (f"±{score.deviation:.4f}" if with_deviation else "")


def score_spreads(group: SeedGroup) -> dict[str, MeanDeviation | None]:
    """Return the scores of a group by name."""
    scores = [run.scores for run in group.runs]
    return {
        "validation accuracy": mean_and_deviation(run.validation for run in group.runs),
        "test accuracy": mean_and_deviation(one.finetuned.accuracy for one in scores),
        "test loss": mean_and_deviation(one.finetuned.loss for one in scores),
        "macro F1": mean_and_deviation(one.macro_f1 for one in scores),
        "balanced accuracy": mean_and_deviation(one.balanced_accuracy for one in scores),
    }


def mean_cost(group: SeedGroup) -> tuple[MeanDeviation | None, str]:
    """Return the mean seconds per run, and the number of stages they cover."""
    known = [run.cost for run in group.runs if run.cost]
    stages = sorted({one.stages for one in known})
    return mean_and_deviation(one.seconds for one in known), " to ".join(
        map(str, stages[:1] + stages[1:][-1:])
    )


def param_columns(result: ComparisonResult) -> tuple[dict[Key, list[Any]], list[str]]:
    """Return the parameters that differ between groups, as columns with a value per group.

    More than MAX_PARAM_COLUMNS parameters are returned as sentences instead: how each group differs
    from the reference, or from the first group without one.
    """
    varying = varying_params(result.groups, result.kinds)
    if len(varying) <= MAX_PARAM_COLUMNS:
        return varying, []
    made_with = {MADE_WITH_KEY: varying.pop(MADE_WITH_KEY)} if MADE_WITH_KEY in varying else {}
    base = result.groups.index(result.reference) if result.reference else 0
    lines = []
    for index, group in enumerate(result.groups):
        changes = [
            f"{dotted(key)} = {shorten(plain_param_value(values[index]))}"
            for key, values in varying.items()
            if repr(values[index]) != repr(values[base])
        ]
        if changes:
            name = result.groups[base].name
            lines.append(f"{group.name} differs from {name}: {', '.join(changes)}.")
    return made_with, lines


def group_rows(result: ComparisonResult) -> Rows:
    """Return a row per group: parameters that differ, seeds, scores, cost."""
    groups, (varying, _) = result.groups, param_columns(result)
    scores = [score_spreads(group) for group in groups]
    metrics = [name for name in scores[0] if any(one[name] for one in scores)]
    param_titles = (dotted(key, ".\n") for key in varying)
    metric_titles = (name.replace(" ", "\n") for name in metrics)
    rows: Rows = [("name", *param_titles, "seeds", *metric_titles, "seconds\n(stages)")]
    for index, group in enumerate(groups):
        seconds, stages = mean_cost(group)
        rows.append(
            (
                group.name,
                *(shorten(plain_param_value(values[index])) for values in varying.values()),
                str(len(group.runs)),
                *(format_score_spread(name, scores[index][name]) for name in metrics),
                f"{seconds.mean:.1f} ({stages})" if seconds else "unknown",
            )
        )
    return rows


def format_p_value(p_value: float) -> str:
    """Format a p value."""
    return f"{p_value:.2g}" if p_value >= 1e-4 else "<0.0001"


def comparison_rows(result: ComparisonResult) -> Rows:
    """Return a row per comparison with the reference."""
    if result.reference is None:
        return []
    ends = (
        "only this\ncorrect",
        f"only {shorten(result.reference.name)}\ncorrect",
        "accuracy\ndifference",
    )
    rows: Rows = [("name", "seeds", "test\nimages", *ends, "p", "p\n(Holm)", "verdict")]
    for one in result.comparisons:
        difference = one.difference
        figures: tuple[str, ...] = ("",) * 7
        if difference:
            counts = (difference.images, difference.only_second, difference.only_first)
            p_values = (format_p_value(difference.p_value), format_p_value(one.corrected_p_value))
            seeds = shorten(", ".join(map(plain_param_value, one.seeds)))
            figures = (seeds, *map(str, counts), f"{difference.accuracy:+.4f}", *p_values)
        rows.append((one.group.name, *figures, one.verdict))
    return rows


def single_line_headers(rows: Rows, between: str = "") -> Rows:
    """Join the header's lines, with `between` after the dots in parameter keys."""
    joined = (cell.replace(".\n", f".{between}").replace("\n", " ") for cell in rows[0])
    return [tuple(joined), *rows[1:]]


def align_columns(rows: Rows) -> str:
    """Align rows in columns: the first to the left, the others to the right."""
    parts = [cell.split("\n") for cell in rows[0]]
    height = max(map(len, parts))
    filled = [[""] * (height - len(part)) + part for part in parts]
    cell_rows = [*zip(*filled, strict=True), *rows[1:]]
    widths = [max(map(len, column)) for column in zip(*cell_rows, strict=True)]
    lines = []
    for first, *rest in cell_rows:
        cells = (cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*lines[:height], rule, *lines[height:]])


def bullet_list(sentences: Sequence[str]) -> str:
    """Format sentences as a list, wrapped at TEXT_WIDTH."""
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
    """Return all sentences below the tables, with control characters escaped."""
    sentences = [*result.how, *param_columns(result)[1], *result.notes]
    return [escape_control_characters(sentence, BIDI_CONTROLS) for sentence in sentences]


def to_text(result: ComparisonResult) -> str:
    """Format the comparison for the terminal."""
    parts = [align_columns(group_rows(result))]
    if result.comparisons:
        parts.append(align_columns(comparison_rows(result)))
    return "\n\n".join([*parts, bullet_list(result_notes(result))])


def escape_markdown_rows(rows: Rows) -> Rows:
    """Escape Markdown syntax in all cells."""
    marks = {ord(mark): f"\\{mark}" for mark in "\\|`*_<>[]"}
    return [tuple(cell.translate(marks) for cell in row) for row in rows]


def to_markdown(result: ComparisonResult) -> str:
    """Format the comparison as Markdown, for a pull request."""
    tables = [group_rows(result)]
    if result.comparisons:
        tables.append(comparison_rows(result))
    parts = [markdown_table(escape_markdown_rows(single_line_headers(rows))) for rows in tables]
    lines: Rows = [(one,) for one in result_notes(result)]
    return "\n\n".join([*parts, "\n".join(f"- {one}" for (one,) in escape_markdown_rows(lines))])


def spreadsheet_cell(value: object) -> object:
    """Escape a value that a spreadsheet would read as a formula."""
    return escape_formula(value) if isinstance(value, str) else value


def to_csv(result: ComparisonResult) -> str:
    """Format the comparison as CSV, with a row per group and all values unrounded."""
    varying = varying_params(result.groups, result.kinds)
    comparisons = {one.group.name: one for one in result.comparisons}
    rows: list[dict[str, object]] = []
    for index, group in enumerate(result.groups):
        row: dict[str, object] = {"name": group.name}
        row["revisions"] = " ".join(run.revision.name for run in group.runs)
        row["commits"] = " ".join(run.revision.commit for run in group.runs)
        row |= {dotted(key): plain_param_value(values[index]) for key, values in varying.items()}
        row |= {"seeds": len(group.runs)}
        for name, score in score_spreads(group).items():
            column = name.lower().replace(" ", "_")
            row[column] = score.mean if score else ""
            row[f"{column}_deviation"] = "" if score is None else score.deviation
        seconds, stages = mean_cost(group)
        row |= {"seconds": seconds.mean if seconds else "", "stages": stages}
        row["reference"] = result.reference.name if result.reference else ""
        row |= reference_cells(comparisons.get(group.name))
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
    """Return the CSV cells of a comparison with the reference; empty without one."""
    difference = one.difference if one else None
    seeds = " ".join(map(plain_param_value, one.seeds)) if one else ""
    return {
        "seeds_paired": seeds,
        "images_paired": difference.images if difference else "",
        "only_it_right": difference.only_second if difference else "",
        "only_reference_right": difference.only_first if difference else "",
        "accuracy_difference": difference.accuracy if difference else "",
        "p_value": difference.p_value if difference else "",
        "p_value_holm": one.corrected_p_value if one and difference else "",
        "verdict": one.verdict if one else "",
        "note": one.note if one else "",
    }
