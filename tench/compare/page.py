"""The comparison as a page in the style of the report, with a chart of accuracy against cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup

from tench.compare.groups import Group
from tench.compare.tables import (
    Result,
    comparison_rows,
    cost_of,
    one_line,
    score_rows,
    sentences,
    spreads,
)
from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.reporting import publish
from tench.reporting.charts import INK, STYLE, TRAIN, VAL, new_figure, svg
from tench.reporting.tables import Table, page_table

BREAK = "\N{ZERO WIDTH SPACE}"  # where a line may end
OWN = Path(__file__).parent / "templates"
CHOSEN_BY = "validation accuracy"
SERIES = {CHOSEN_BY: ("s", VAL), "test accuracy": ("o", TRAIN)}
FEW = 8  # groups that all get their number


def numbers_shown(costs: Sequence[tuple[int, float, float]]) -> set[int]:
    """The numbers of the groups that get theirs in the chart: of more than FEW, those that no other
    surpasses in accuracy at the same cost or less.

    Args:
        costs: number, seconds and accuracy of each.
    """
    if len(costs) <= FEW:
        return {number for number, _, _ in costs}
    return {
        number
        for number, seconds, accuracy in costs
        if not any(
            other_seconds <= seconds and other > accuracy for _, other_seconds, other in costs
        )
    }


def chart(groups: list[Group]) -> tuple[Markup | None, bool]:
    """Accuracy against seconds, with numbers, which are rows of the table; bars are standard
    deviations from seed to seed. None where no cost is known. And whether some of the groups have
    no number (`numbers_shown`)."""
    known = [
        (number, seconds, spreads(group))
        for number, group in enumerate(groups, 1)
        if (seconds := cost_of(group)[0])
    ]
    if not known:
        return None, False
    costs = [(n, x.mean, y.mean) for n, x, scores in known if (y := scores[CHOSEN_BY])]
    named = numbers_shown(costs)
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(7.5, 4.2)
        for name, (mark, colour) in SERIES.items():
            points = [(n, x, y) for n, x, scores in known if (y := scores[name])]
            axes.errorbar(
                [x.mean for _, x, _ in points],
                [y.mean for _, _, y in points],
                yerr=[y.deviation or 0 for _, _, y in points],
                xerr=[x.deviation or 0 for _, x, _ in points],
                fmt=mark,
                color=colour,
                ecolor=colour,
                elinewidth=1,
                label=name,
            )
            for number, x, y in points:
                if number not in named:
                    continue
                place = (x.mean, y.mean)
                axes.annotate(str(number), place, (5, 4), textcoords="offset points", fontsize=9)
        axes.set(xlabel="seconds, of the stages that a run ran itself", ylabel="accuracy")
        axes.grid(visible=True, color=INK, alpha=0.12)
        axes.legend()
        drawn = svg(figure, f"Accuracy against cost in seconds of {len(known)} groups")
    return drawn, len(named) < len(costs)


def numbered(result: Result) -> Table:
    """The groups' scores, by their number."""
    header, *rows = one_line(score_rows(result), BREAK)
    numbers = [
        (f"{number}. {name}", *(cell.replace("±", f"{BREAK}±") for cell in row))
        for number, (name, *row) in enumerate(rows, 1)
    ]
    breaking = [cell.replace("_", f"_{BREAK}") for cell in header]
    return page_table(breaking, numbers, sortable=True)


def against(result: Result) -> Table | None:
    """The groups beside the reference."""
    if not result.comparisons:
        return None
    header, *rows = one_line(comparison_rows(result))
    return page_table(header, rows, sortable=True)


def render(result: Result) -> str:
    """The page, whatever it shows escaped."""
    drawn, unnumbered = chart(result.groups)
    contents: dict[str, Any] = {
        "result": result,
        "notes": sentences(result)[len(result.how) :],
        "scores": numbered(result),
        "against": against(result),
        "chart": drawn,
        "unnumbered": unnumbered,
        "uncosted": [group.name for group in result.groups if not cost_of(group)[0]],
    }
    return publish.render(contents, "compare.html", OWN)


def write_comparison(result: Result, file: Path) -> None:
    """Write the page. Raises TenchError where the machine does not let it."""
    try:
        write_text(render(result), file)
    except OSError as error:
        raise TenchError(f"{file}: cannot be written: {(error.strerror or '').lower()}") from None
