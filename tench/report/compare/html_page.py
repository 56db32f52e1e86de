"""The comparison as a page in the style of the report, with a chart of accuracy against cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.report.compare.seed_groups import SeedGroup
from tench.report.compare.text_tables import (
    ComparisonResult,
    comparison_rows,
    group_rows,
    mean_cost,
    result_notes,
    score_spreads,
    single_line_headers,
)
from tench.report.page import publish
from tench.report.page.charts import (
    CHART_STYLE,
    INK_COLOR,
    TRAIN_COLOR,
    VAL_COLOR,
    new_figure,
    render_svg,
)
from tench.report.page.tables import Table, page_table

LINE_BREAK_HINT = "\N{ZERO WIDTH SPACE}"  # where a line may end
COMPARE_TEMPLATES = Path(__file__).parent / "templates"
SORT_METRIC = "validation accuracy"
CHART_SERIES = {SORT_METRIC: ("s", VAL_COLOR), "test accuracy": ("o", TRAIN_COLOR)}
MAX_LABELED_GROUPS = 8  # groups that all get their number


def pareto_labels(costs: Sequence[tuple[int, float, float]]) -> set[int]:
    """The numbers of the groups that get theirs in the chart: of more than FEW, those that no other
    surpasses in accuracy at the same cost or less.

    Args:
        costs: number, seconds and accuracy of each.
    """
    if len(costs) <= MAX_LABELED_GROUPS:
        return {number for number, _, _ in costs}
    return {
        number
        for number, seconds, accuracy in costs
        if not any(
            other_seconds <= seconds and other > accuracy for _, other_seconds, other in costs
        )
    }


def accuracy_cost_chart(groups: list[SeedGroup]) -> tuple[Markup | None, bool]:
    """Accuracy against seconds, with numbers, which are rows of the table; bars are standard
    deviations from seed to seed. None where no cost is known. And whether some of the groups have
    no number (`numbers_shown`)."""
    known = [
        (number, seconds, score_spreads(group))
        for number, group in enumerate(groups, 1)
        if (seconds := mean_cost(group)[0])
    ]
    if not known:
        return None, False
    costs = [(n, x.mean, y.mean) for n, x, scores in known if (y := scores[SORT_METRIC])]
    named = pareto_labels(costs)
    with mpl.rc_context(CHART_STYLE):
        figure, axes = new_figure(7.5, 4.2)
        for name, (mark, color) in CHART_SERIES.items():
            points = [(n, x, y) for n, x, scores in known if (y := scores[name])]
            axes.errorbar(
                [x.mean for _, x, _ in points],
                [y.mean for _, _, y in points],
                yerr=[y.deviation or 0 for _, _, y in points],
                xerr=[x.deviation or 0 for _, x, _ in points],
                fmt=mark,
                color=color,
                ecolor=color,
                elinewidth=1,
                label=name,
            )
            for number, x, y in points:
                if number not in named:
                    continue
                place = (x.mean, y.mean)
                axes.annotate(str(number), place, (5, 4), textcoords="offset points", fontsize=9)
        axes.set(xlabel="seconds, of the stages that a run ran itself", ylabel="accuracy")
        axes.grid(visible=True, color=INK_COLOR, alpha=0.12)
        axes.legend()
        drawn = render_svg(figure, f"Accuracy against cost in seconds of {len(known)} groups")
    return drawn, len(named) < len(costs)


def numbered_table(result: ComparisonResult) -> Table:
    """The groups' scores, by their number."""
    header, *rows = single_line_headers(group_rows(result), LINE_BREAK_HINT)
    numbers = [
        (f"{number}. {name}", *(cell.replace("±", f"{LINE_BREAK_HINT}±") for cell in row))
        for number, (name, *row) in enumerate(rows, 1)
    ]
    breaking = [cell.replace("_", f"_{LINE_BREAK_HINT}") for cell in header]
    return page_table(breaking, numbers, sortable=True)


def reference_table(result: ComparisonResult) -> Table | None:
    """The groups beside the reference."""
    if not result.comparisons:
        return None
    header, *rows = single_line_headers(comparison_rows(result))
    return page_table(header, rows, sortable=True)


def render_comparison(result: ComparisonResult) -> str:
    """The page, whatever it shows escaped."""
    drawn, unnumbered = accuracy_cost_chart(result.groups)
    contents: dict[str, Any] = {
        "result": result,
        "notes": result_notes(result)[len(result.how) :],
        "scores": numbered_table(result),
        "against": reference_table(result),
        "chart": drawn,
        "unnumbered": unnumbered,
        "uncosted": [group.name for group in result.groups if not mean_cost(group)[0]],
    }
    return publish.render_page(contents, "compare.html", COMPARE_TEMPLATES)


def write_comparison(result: ComparisonResult, file: Path) -> None:
    """Write the page. Raises TenchError where the machine does not let it."""
    try:
        write_text(render_comparison(result), file)
    except OSError as error:
        raise TenchError(f"{file}: cannot be written: {(error.strerror or '').lower()}") from None
