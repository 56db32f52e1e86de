"""Measure time and memory of every stage on one in 32 images, up to all of them.

    python -m benchmarks.growth [--raw ../shared/imagenette] [--out docs/growth.svg] [--keep]

Runs `dvc repro` from nothing on each subset in turn, in a temporary clone of HEAD. Prints Markdown,
draws a plot, and writes the numbers to benchmarks/results/TIME/result.json.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks.cloning import (
    REPRO_COMMAND,
    cold_clone,
    describe_machine,
    report_results,
    set_params,
)
from benchmarks.measure import SHARED_IMAGENETTE, measure_command, stage_figures
from benchmarks.plots import side_by_side_axes
from tench.data.index import evenly_spaced
from tench.report.page.tables import markdown_table

SUBSET_DIVISORS = (32, 16, 8, 4, 1)  # every n-th image
STAGES_SHOWN = ("prepare", "embed", "audit", "finetune", "evaluate", "export")
StageFiguresBySize = dict[int, dict[str, dict[str, float]]]  # images -> stage -> figures


def link_subset(raw: Path, share: int, out: Path) -> int:
    """Link or copy every `share`-th image of each folder of `raw` to `out`. Returns the count."""
    count = 0
    for folder in sorted(path for path in raw.rglob("*") if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for index in evenly_spaced(len(files), len(files) // share):
            target = out / files[index].relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(files[index], target)
            except OSError:
                shutil.copyfile(files[index], target)
            count += 1
    return count


def measure_growth(raw: Path, folder: Path, clone: Path) -> StageFiguresBySize:
    """Measure every stage on each subset of the images."""
    sizes: StageFiguresBySize = {}
    for share in SUBSET_DIVISORS:
        part = folder / f"part-{share}"
        images = link_subset(raw, share, part)
        # with about twenty test images, one or two more 8-bit errors would fail the run
        set_params(clone, {"data.raw": str(part), "export.max_accuracy_drop": 1.0})
        print(f"{images} images ...", file=sys.stderr, flush=True)
        sizes[images] = stage_figures(
            measure_command(REPRO_COMMAND, clone, folder / f"{images}.log")
        )
        shutil.rmtree(part)
    return sizes


def format_growth(sizes: StageFiguresBySize) -> str:
    """Format seconds and peak MB of every stage as Markdown, one column per number of images."""
    last = max(sizes)
    rows: list[tuple[str, ...]] = [
        ("stage", *(f"{count}: s" for count in sizes), *(f"{count}: MB" for count in sizes))
    ]
    for name in sizes[last]:
        of_stage = [stages.get(name) for stages in sizes.values()]
        seconds = (f"{one['seconds']:.1f}" if one else "" for one in of_stage)
        peaks = (f"{one['process_mb']:.0f}" if one else "" for one in of_stage)
        rows.append((name, *seconds, *peaks))
    totals = (f"{sum(one['seconds'] for one in stages.values()):.0f}" for stages in sizes.values())
    rows.append(("all", *totals, *[""] * len(sizes)))
    return markdown_table(rows)


def plot_growth(sizes: StageFiguresBySize, out: Path) -> None:
    """Plot seconds and peak memory against images, one line per stage."""
    kinds = (("seconds", "seconds", 1.0), ("process_mb", "peak memory, GB", 1e-3))
    with side_by_side_axes(out) as both:
        for axes, (key, title, scale) in zip(both, kinds, strict=True):
            for name in STAGES_SHOWN:
                values = [stages[name][key] * scale for stages in sizes.values()]
                axes.plot(list(sizes), values, "o-", markersize=3, label=name)
            axes.set(xlabel="images", ylabel=title, xlim=(0, None), ylim=(0, None))
            axes.set_xticks([count for count in sizes if count > max(sizes) / 10])
        both[0].legend(frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--raw", type=Path, default=SHARED_IMAGENETTE, help="a folder with train/ and val/"
    )
    parser.add_argument("--out", type=Path, help="SVG file of the plot")
    parser.add_argument("--keep", action="store_true", help="keep the clone")
    args = parser.parse_args()
    if not args.raw.is_dir():
        parser.error(f"--raw {args.raw}: there is no such folder")
    with cold_clone(args.keep) as (folder, clone):
        about = {**describe_machine(), "raw": str(args.raw)}
        sizes = measure_growth(args.raw.resolve(), folder, clone)
        report_results(about, {"growth": sizes}, folder, format_growth(sizes))
    if args.out:
        plot_growth(sizes, args.out)


if __name__ == "__main__":
    main()
