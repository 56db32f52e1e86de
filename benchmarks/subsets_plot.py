"""What benchmarks.subsets measured, as a table and a plot for docs/your-pictures.md.

    python -m benchmarks.subsets_plot results.csv docs/your-pictures.svg

Prints the table as Markdown: means over seeds of the test accuracy, every class weighing the same.
"""

from pathlib import Path
from statistics import mean

from benchmarks.plots import results, two_plots
from tench.reporting.tables import markdown_table

NAMES = {
    "paper_head": "the paper's head, 3 epochs",
    "paper": "the paper's 3 + 3 epochs",
    "regression": "logistic regression",
    "recipe": "the recipe",
}
COLOURS = {
    "paper_head": "#999999",
    "paper": "#c2620a",
    "regression": "#2f7fb8",
    "recipe": "#222222",
}
ALL = 947  # pictures a class on average where all are taken

Rows = list[dict[str, str]]


def cells(rows: Rows) -> dict[tuple[int, int, int], Rows]:
    """The rows of each cell: by classes, pictures a class, and those of the smallest class."""
    found: dict[tuple[int, int, int], Rows] = {}
    for row in rows:
        key = int(row["classes"]), int(row["pictures"]), int(row["smallest"])
        found.setdefault(key, []).append(row)
    return found


def table(rows: Rows) -> str:
    """Means over seeds, a row a cell."""
    lines: list[tuple[str, ...]] = [("classes", "training pictures a class", *NAMES.values())]
    for (classes, pictures, smallest), part in cells(rows).items():
        size = str(pictures or "all")
        if smallest != pictures:
            size = f"{pictures} down to {smallest}"
        figures = (f"{mean(float(row[name]) for row in part):.3f}" for name in NAMES)
        lines.append((str(classes), size, *figures))
    return markdown_table(lines)


def plot(rows: Rows, out: Path) -> None:
    """Accuracy against pictures a class, a point a seed, a line through their means."""
    with two_plots(out) as both:
        for axes, classes in zip(both, (2, 10), strict=True):
            for name, title in NAMES.items():
                points = {
                    pictures or ALL: [float(row[name]) for row in part]
                    for (count, pictures, smallest), part in cells(rows).items()
                    if count == classes and smallest == pictures
                }
                for size, values in points.items():
                    axes.plot([size] * len(values), values, ".", color=COLOURS[name], alpha=0.5)
                means = [mean(values) for values in points.values()]
                dotted = ":" if name == "recipe" else "-"
                axes.plot(list(points), means, dotted, color=COLOURS[name], label=title)
            axes.set_xscale("log")
            axes.set_xticks([5, 20, 100, ALL], ["5", "20", "100", "all"])
            axes.set_xticks([], minor=True)
            axes.set(title=f"{classes} classes", xlabel="training pictures a class", ylim=(0, 1.02))
        both[1].legend(frameon=False, loc="lower right")
        both[0].set_ylabel("test accuracy")


def main() -> None:
    rows, out = results(__doc__, "benchmarks.subsets")
    plot(rows, out)
    print(table(rows))


if __name__ == "__main__":
    main()
