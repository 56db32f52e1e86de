"""Tables and plot of the results of benchmarks.scale, for docs/scale.md, with an extrapolation.

    python -m benchmarks.scale_plot benchmarks/scale.csv docs/scale.svg

Prints the tables as Markdown. The two largest numbers of images n define a + b n, extrapolated to a
million images. The seconds of audit, whose index compares a row with O(sqrt(n)) others, use
a + b n^1.5. `growth` is the exponent of n between these two numbers.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.plots import read_result_rows, side_by_side_axes
from tench.report.page.tables import markdown_table

MILLION = 1_000_000
GROWTH_EXPONENTS = {"audit": 1.5}  # exponents of n in the seconds; 1 for other stages
STAGES_SHOWN = (
    "prepare",
    "embed",
    "audit",
    "probe",
    "extract-train",
    "finetune",
    "evaluate",
    "export",
)
# Stages that process images independently, so that cores and machines can share them.
DISTRIBUTED_STAGES = ("prepare", "embed")
TOTAL_LABELS = ("(nothing changed)", "all")
# Amazon EC2, Linux, on demand, us-east-1, dollars an hour: docs/scale.md has date and sources.
MACHINE_PRICES = {"m7g.large (2 cores, 8 GiB)": (2, 0.0816), "m7g.4xlarge (16 cores)": (16, 0.6528)}
CORES, MACHINES = 2, 20  # of the measurement; of the estimate

Points = dict[int, float]  # number of images -> figure
Figures = dict[str, Points]  # stage -> points


def read_figures(rows: list[dict[str, str]], column: str) -> Figures:
    """Read a column of the table by stage and number of images, without empty cells."""
    found: Figures = {}
    for row in rows:
        if row[column]:
            found.setdefault(row["stage"], {})[int(row["images"])] = float(row[column])
    return found


def extrapolate(points: Points, power: float = 1.0) -> float | None:
    """Extrapolate a figure to a million images. None with fewer than two points."""
    if len(points) < 2:
        return None
    (n, before), (m, last) = sorted(points.items())[-2:]
    slope = max(0.0, last - before) / (m**power - n**power)
    return float(last + slope * (MILLION**power - m**power))


def growth_exponent(points: Points) -> str:
    """Return the exponent of growth between the two largest numbers of images."""
    if len(points) < 2:
        return ""
    (n, before), (m, last) = sorted(points.items())[-2:]
    return f"{math.log(last / before) / math.log(m / n):.2f}" if min(before, last) > 0 else ""


def format_table(
    found: Figures,
    digits: int,
    scale: float = 1.0,
    powers: Mapping[str, float] = MappingProxyType({}),
) -> str:
    """Format one row per stage, one column per number of images, and the extrapolation."""
    counts = sorted({count for points in found.values() for count in points})
    lines: list[tuple[str, ...]] = [
        ("stage", *(f"{count:,}" for count in counts), "growth", "1,000,000, extrapolated")
    ]
    for stage, points in found.items():
        numbers = [points.get(count) for count in counts]
        cells = ["" if one is None else f"{one * scale:,.{digits}f}" for one in numbers]
        end = None if stage == "all" else extrapolate(points, powers.get(stage, 1.0))
        drawn = "" if end is None else f"{end * scale:,.{digits}f}"
        lines.append((stage, *cells, growth_exponent(points), drawn))
    return markdown_table(lines)


def format_costs(seconds: Figures) -> str:
    """Format the cost of a million images on one machine and on MACHINES, for each price.

    DISTRIBUTED_STAGES scale with the cores of all machines. All other stages take as long as on
    CORES cores of one machine.
    """
    expected = {
        stage: extrapolate(points, GROWTH_EXPONENTS.get(stage, 1.0)) or max(points.values())
        for stage, points in seconds.items()
        if stage not in TOTAL_LABELS
    }
    shared = sum(expected.get(stage, 0.0) for stage in DISTRIBUTED_STAGES) / 3600
    alone = sum(expected.values()) / 3600 - shared
    lines: list[tuple[str, ...]] = [
        ("machine", "dollars an hour", "one: hours", "dollars", f"{MACHINES}: hours", "dollars")
    ]
    for name, (cores, price) in MACHINE_PRICES.items():
        cells = []
        for machines in (1, MACHINES):
            together = shared * CORES / cores / machines
            cells += [f"{together + alone:.1f}", f"{(together * machines + alone) * price:.2f}"]
        lines.append((name, f"{price}", *cells))
    return markdown_table(lines)


def plot_scale(seconds: Figures, memory: Figures, out: Path) -> None:
    """Plot seconds and peak memory against images on log scales, with dashed extrapolations."""
    kinds = ((seconds, "seconds", 1.0, GROWTH_EXPONENTS), (memory, "peak memory, GB", 1e-3, {}))
    with side_by_side_axes(out) as both:
        for axes, (found, title, scale, powers) in zip(both, kinds, strict=True):
            for stage in (stage for stage in STAGES_SHOWN if stage in found):
                points = dict(sorted(found[stage].items()))
                values = [value * scale for value in points.values()]
                (line,) = axes.plot(list(points), values, "o-", markersize=3, label=stage)
                end = extrapolate(points, powers.get(stage, 1.0))
                if end is not None:
                    x, y = [max(points), MILLION], [values[-1], end * scale]
                    axes.plot(x, y, "--", color=line.get_color(), linewidth=1)
            axes.set(xlabel="images", ylabel=title, xscale="log", yscale="log")
        both[0].legend(frameon=False, fontsize=8)


def main() -> None:
    rows, out = read_result_rows(__doc__, "benchmarks.scale")
    seconds, memory = read_figures(rows, "seconds"), read_figures(rows, "peak_mb")
    plot_scale(seconds, memory, out)
    print(f"Seconds, with DVC's own work:\n\n{format_table(seconds, 1, powers=GROWTH_EXPONENTS)}\n")
    print(f"Peak memory of a process, MB:\n\n{format_table(memory, 0)}\n")
    print(f"On disk, MB:\n\n{format_table(read_figures(rows, 'bytes'), 1, 1e-6)}\n")
    print(f"Files:\n\n{format_table(read_figures(rows, 'files'), 0)}\n")
    print(f"Dollars:\n\n{format_costs(seconds)}")


if __name__ == "__main__":
    main()
