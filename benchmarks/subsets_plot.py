"""Table and plot of the results of benchmarks.subsets, for docs/your-images.md.

    python -m benchmarks.subsets_plot results.csv docs/your-images.svg

Prints the table as Markdown: the balanced test accuracy, as means over seeds.
"""

from pathlib import Path
from statistics import mean

from benchmarks.plots import read_result_rows, side_by_side_axes
from tench.report.page.tables import markdown_table

MODEL_TITLES = {
    "paper_head": "the paper's head, 3 epochs",
    "paper": "the paper's 3 + 3 epochs",
    "regression": "logistic regression",
    "recipe": "the recipe",
}
MODEL_COLORS = {
    "paper_head": "#999999",
    "paper": "#c2620a",
    "regression": "#2f7fb8",
    "recipe": "#222222",
}
FULL_CLASS_SIZE = 947  # mean images per class in the whole data set

Rows = list[dict[str, str]]


def group_cells(rows: Rows) -> dict[tuple[int, int, int], Rows]:
    """Group rows by classes, images per class, and images of the smallest class."""
    found: dict[tuple[int, int, int], Rows] = {}
    for row in rows:
        key = int(row["classes"]), int(row["images"]), int(row["smallest"])
        found.setdefault(key, []).append(row)
    return found


def format_means(rows: Rows) -> str:
    """Format the means over seeds, one row per cell."""
    lines: list[tuple[str, ...]] = [
        ("classes", "training images per class", *MODEL_TITLES.values())
    ]
    for (classes, images, smallest), part in group_cells(rows).items():
        size = str(images or "all")
        if smallest != images:
            size = f"{images} down to {smallest}"
        figures = (f"{mean(float(row[name]) for row in part):.3f}" for name in MODEL_TITLES)
        lines.append((str(classes), size, *figures))
    return markdown_table(lines)


def plot_subsets(rows: Rows, out: Path) -> None:
    """Plot accuracy against images per class: a point per seed, a line through the means."""
    with side_by_side_axes(out) as both:
        for axes, classes in zip(both, (2, 10), strict=True):
            for name, title in MODEL_TITLES.items():
                points = {
                    images or FULL_CLASS_SIZE: [float(row[name]) for row in part]
                    for (count, images, smallest), part in group_cells(rows).items()
                    if count == classes and smallest == images
                }
                for size, values in points.items():
                    axes.plot(
                        [size] * len(values), values, ".", color=MODEL_COLORS[name], alpha=0.5
                    )
                means = [mean(values) for values in points.values()]
                dotted = ":" if name == "recipe" else "-"
                axes.plot(list(points), means, dotted, color=MODEL_COLORS[name], label=title)
            axes.set_xscale("log")
            axes.set_xticks([5, 20, 100, FULL_CLASS_SIZE], ["5", "20", "100", "all"])
            axes.set_xticks([], minor=True)
            axes.set(title=f"{classes} classes", xlabel="training images per class", ylim=(0, 1.02))
        both[1].legend(frameon=False, loc="lower right")
        both[0].set_ylabel("test accuracy")


def main() -> None:
    rows, out = read_result_rows(__doc__, "benchmarks.subsets")
    plot_subsets(rows, out)
    print(format_means(rows))


if __name__ == "__main__":
    main()
