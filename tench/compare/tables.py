"""The comparison as text: for the terminal, for a spreadsheet, for a pull request."""

import csv
import io
import json
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

from tench.compare.groups import MADE_WITH, Group, Spread, settings, spread
from tench.compare.locking import Inputs
from tench.compare.pairing import Comparison
from tench.core.names import TURNING, inert, visible
from tench.reporting.parameters import ABSENT, Key
from tench.reporting.tables import markdown_table

WIDTH = 100  # columns of a terminal
LONGEST = 20  # characters of a parameter's value
COLUMNS = 5  # of parameters
TOLD = ("validation accuracy", "test accuracy")  # with their deviation
Rows = list[tuple[str, ...]]  # the first is the header, in whose cells a line may end


class Result(NamedTuple):
    """All there is to say."""

    groups: list[Group]  # the best on validation first
    kinds: list[Inputs]  # of code, data and packages, the reference's first
    reference: Group | None
    comparisons: list[Comparison]  # of the other groups, in their order
    how: list[str]  # what was compared and how, as sentences
    notes: list[str]  # what to bear in mind


def plain(value: Any) -> str:
    """A parameter's value, as it stands in params.yaml as far as that is short."""
    if value is ABSENT:
        return "(none)"
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return "".join(character if character.isprintable() else "?" for character in text)


def printable(text: str) -> str:
    """Text without what moves a terminal's cursor, sets its colors or turns text around; such
    characters become escapes like \\x1b. Lines are kept."""
    return "\n".join(visible(line, TURNING) for line in text.split("\n"))


def dotted(key: Key, between: str = ".") -> str:
    """A parameter's key on one line, or with `between` where a line may end."""
    return between.join(visible(part, TURNING) for part in key)


def short(text: str) -> str:
    """A text in LONGEST characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def score_text(name: str, found: Spread | None) -> str:
    """A mean; of an accuracy of all pictures its standard deviation, too."""
    if found is None:
        return "unknown"
    told = name in TOLD and found.deviation is not None
    return f"{found.mean:.4f}" + (f"±{found.deviation:.4f}" if told else "")


def spreads(group: Group) -> dict[str, Spread | None]:
    """The scores of a group, by name."""
    scores = [run.scores for run in group.runs]
    return {
        "validation accuracy": spread(run.validation for run in group.runs),
        "test accuracy": spread(one.finetuned.accuracy for one in scores),
        "test loss": spread(one.finetuned.loss for one in scores),
        "macro F1": spread(one.macro_f1 for one in scores),
        "balanced accuracy": spread(one.balanced_accuracy for one in scores),
    }


def cost_of(group: Group) -> tuple[Spread | None, str]:
    """The seconds a run of the group cost, and how many stages those are of."""
    known = [run.cost for run in group.runs if run.cost]
    stages = sorted({one.stages for one in known})
    return spread(one.seconds for one in known), " to ".join(map(str, stages[:1] + stages[1:][-1:]))


def parameters(result: Result) -> tuple[dict[Key, list[Any]], list[str]]:
    """The parameters that differ, with each group's value, as columns; where they are too many, as
    sentences instead: what each group has otherwise than the reference, or else the first."""
    found = settings(result.groups, result.kinds)
    if len(found) <= COLUMNS:
        return found, []
    made_with = {MADE_WITH: found.pop(MADE_WITH)} if MADE_WITH in found else {}
    place = result.groups.index(result.reference) if result.reference else 0
    lines = []
    for number, group in enumerate(result.groups):
        others = [
            f"{dotted(key)} = {short(plain(values[number]))}"
            for key, values in found.items()
            if repr(values[number]) != repr(values[place])
        ]
        if others:
            lines.append(f"{group.name}, not {result.groups[place].name}: {', '.join(others)}.")
    return made_with, lines


def score_rows(result: Result) -> Rows:
    """A row for every group: parameters that differ, seeds, scores, cost."""
    groups, (differing, _) = result.groups, parameters(result)
    scores = [spreads(group) for group in groups]
    given = [name for name in scores[0] if any(one[name] for one in scores)]
    names = (dotted(key, ".\n") for key in differing)
    breaks = (name.replace(" ", "\n") for name in given)
    rows: Rows = [("name", *names, "seeds", *breaks, "seconds\n(stages)")]
    for place, group in enumerate(groups):
        seconds, stages = cost_of(group)
        rows.append(
            (
                group.name,
                *(short(plain(values[place])) for values in differing.values()),
                str(len(group.runs)),
                *(score_text(name, scores[place][name]) for name in given),
                f"{seconds.mean:.1f} ({stages})" if seconds else "unknown",
            )
        )
    return rows


def p_text(p_value: float) -> str:
    """A p value."""
    return f"{p_value:.2g}" if p_value >= 1e-4 else "<0.0001"


def comparison_rows(result: Result) -> Rows:
    """A row for every group beside the reference."""
    if result.reference is None:
        return []
    ends = ("only it\nright", f"only {short(result.reference.name)}\nright", "accuracy\ndifference")
    rows: Rows = [("name", "seeds", "test\npictures", *ends, "p", "p\n(Holm)", "verdict")]
    for one in result.comparisons:
        found = one.difference
        figures: tuple[str, ...] = ("",) * 7
        if found:
            counts = (found.pictures, found.only_second, found.only_first)
            p_values = (p_text(found.p_value), p_text(one.corrected))
            seeds = short(", ".join(map(plain, one.seeds)))
            figures = (seeds, *map(str, counts), f"{found.accuracy:+.4f}", *p_values)
        rows.append((one.group.name, *figures, one.verdict))
    return rows


def one_line(rows: Rows, between: str = "") -> Rows:
    """Rows whose header has no line ends, but `between` after the dot in a parameter's key."""
    joined = (cell.replace(".\n", f".{between}").replace("\n", " ") for cell in rows[0])
    return [tuple(joined), *rows[1:]]


def aligned(rows: Rows) -> str:
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


def listed(sentences: Sequence[str]) -> str:
    """Sentences as a list, in lines of WIDTH."""
    return "\n".join(
        textwrap.fill(
            one,
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for one in sentences
    )


def sentences(result: Result) -> list[str]:
    """What was compared and how, what differs where no column tells, what to bear in mind."""
    found = [*result.how, *parameters(result)[1], *result.notes]
    return [visible(one, TURNING) for one in found]


def text(result: Result) -> str:
    """All of it for the terminal."""
    parts = [aligned(score_rows(result))]
    if result.comparisons:
        parts.append(aligned(comparison_rows(result)))
    return "\n\n".join([*parts, listed(sentences(result))])


def escaped(rows: Rows) -> Rows:
    """Rows whose cells are nothing but text in Markdown."""
    marks = {ord(mark): f"\\{mark}" for mark in "\\|`*_<>[]"}
    return [tuple(cell.translate(marks) for cell in row) for row in rows]


def markdown(result: Result) -> str:
    """All of it for a pull request."""
    tables = [score_rows(result)]
    if result.comparisons:
        tables.append(comparison_rows(result))
    parts = [markdown_table(escaped(one_line(rows))) for rows in tables]
    lines: Rows = [(one,) for one in sentences(result)]
    return "\n\n".join([*parts, "\n".join(f"- {one}" for (one,) in escaped(lines))])


def cell(value: object) -> object:
    """A value as a cell that no spreadsheet takes for a formula."""
    return inert(value) if isinstance(value, str) else value


def spreadsheet(result: Result) -> str:
    """A row for every group, with all figures in full, as CSV."""
    differing = settings(result.groups, result.kinds)
    beside = {one.group.name: one for one in result.comparisons}
    rows: list[dict[str, object]] = []
    for place, group in enumerate(result.groups):
        row: dict[str, object] = {"name": group.name}
        row["revisions"] = " ".join(run.revision.name for run in group.runs)
        row["commits"] = " ".join(run.revision.commit for run in group.runs)
        row |= {dotted(key): plain(values[place]) for key, values in differing.items()}
        row |= {"seeds": len(group.runs)}
        for name, found in spreads(group).items():
            column = name.lower().replace(" ", "_")
            row[column] = found.mean if found else ""
            row[f"{column}_deviation"] = "" if found is None else found.deviation
        seconds, stages = cost_of(group)
        row |= {"seconds": seconds.mean if seconds else "", "stages": stages}
        row["reference"] = result.reference.name if result.reference else ""
        row |= paired_cells(beside.get(group.name))
        rows.append(row)
    out = io.StringIO()
    table = csv.DictWriter(out, [inert(name) for name in rows[0]], lineterminator="\n")
    table.writeheader()
    table.writerows({inert(name): cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue().rstrip("\n")


def paired_cells(one: Comparison | None) -> dict[str, object]:
    """What the CSV has of a group beside the reference."""
    found = one.difference if one else None
    seeds = " ".join(map(plain, one.seeds)) if one else ""
    return {
        "seeds_paired": seeds,
        "pictures_paired": found.pictures if found else "",
        "only_it_right": found.only_second if found else "",
        "only_reference_right": found.only_first if found else "",
        "accuracy_difference": found.accuracy if found else "",
        "p_value": found.p_value if found else "",
        "p_value_holm": one.corrected if one and found else "",
        "verdict": one.verdict if one else "",
        "note": one.note if one else "",
    }
