"""The comparison as an HTML page, with a chart of accuracy against cost."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from markupsafe import Markup

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

LINE_BREAK_HINT = "\N{ZERO WIDTH SPACE}"  # allows a line break
COMPARE_TEMPLATES = Path(__file__).parent / "templates"
SORT_METRIC = "validation accuracy"
CHART_SERIES = {SORT_METRIC: ("s", VAL_COLOR), "test accuracy": ("o", TRAIN_COLOR)}
MAX_LABELED_GROUPS = 8  # with more groups, only those on the Pareto front are labeled


def pareto_labels(costs: Sequence[tuple[int, float, float]]) -> set[int]:
    """Return the numbers of the groups to label in the chart.

    With more than MAX_LABELED_GROUPS groups, these are the groups on the Pareto front: no other
    group is more accurate at the same or a lower cost.

    Args:
        costs: Number, seconds and accuracy of each group.
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
    """Plot accuracy against seconds, labeled with row numbers of the table.

    Error bars are standard deviations between seeds.

    Returns:
        The chart (None if no cost is known), and whether some groups have no label.
    """
    known = [
        (number, seconds, score_spreads(group))
        for number, group in enumerate(groups, 1)
        if (seconds := mean_cost(group)[0])
    ]
    if not known:
        return None, False
    costs = [(n, x.mean, y.mean) for n, x, scores in known if (y := scores[SORT_METRIC])]
    labeled = pareto_labels(costs)
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
                if number not in labeled:
                    continue
                point = (x.mean, y.mean)
                axes.annotate(str(number), point, (5, 4), textcoords="offset points", fontsize=9)
        axes.set(xlabel="seconds, for the stages that a run executed", ylabel="accuracy")
        axes.grid(visible=True, color=INK_COLOR, alpha=0.12)
        axes.legend()
        chart = render_svg(figure, f"Accuracy against cost in seconds for {len(known)} groups")
    return chart, len(labeled) < len(costs)


def numbered_table(result: ComparisonResult) -> Table:
    """Return the scores of the numbered groups."""
    header, *rows = single_line_headers(group_rows(result), LINE_BREAK_HINT)
    numbers = [
        (f"{number}. {name}", *(cell.replace("±", f"{LINE_BREAK_HINT}±") for cell in row))
        for number, (name, *row) in enumerate(rows, 1)
    ]
    titles = [cell.replace("_", f"_{LINE_BREAK_HINT}") for cell in header]
    return page_table(titles, numbers, sortable=True)


def reference_table(result: ComparisonResult) -> Table | None:
    """Return the comparisons with the reference, or None without any."""
    if not result.comparisons:
        return None
    header, *rows = single_line_headers(comparison_rows(result))
    return page_table(header, rows, sortable=True)


def render_comparison(result: ComparisonResult) -> str:
    """Render the page, with all values escaped."""
    chart, unnumbered = accuracy_cost_chart(result.groups)
    contents: dict[str, Any] = {
        "result": result,
        "notes": result_notes(result)[len(result.how) :],
        "scores": numbered_table(result),
        "against": reference_table(result),
        "chart": chart,
        "unnumbered": unnumbered,
        "without_cost": [group.name for group in result.groups if not mean_cost(group)[0]],
    }
    return publish.render_page(contents, "compare.html", COMPARE_TEMPLATES)
