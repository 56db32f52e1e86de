"""How time and memory of every stage grow with the pictures, from one in 32 to all of them.

    python -m benchmarks.growth [--raw ../shared/imagenette] [--out docs/growth.svg] [--keep]

Runs `dvc repro` from nothing on each part, one after the other, in a temporary clone of the
checkout's HEAD. Prints Markdown and draws a plot; the same numbers go to
benchmarks/results/TIME/result.json.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks.cloning import REPRO, change, cold_clone, machine, tell
from benchmarks.measure import BESIDE, measure, stages_of
from benchmarks.plots import two_plots
from tench.pictures.index import evenly
from tench.reporting.tables import markdown_table

SHARES = (32, 16, 8, 4, 1)  # one in so many
SHOWN = ("prepare", "embed", "audit", "finetune", "evaluate", "export")
Sizes = dict[int, dict[str, dict[str, float]]]  # pictures to stage to its figures


def part_of(raw: Path, share: int, out: Path) -> int:
    """Fill `out` with one in `share` pictures of every folder of `raw`, as hard links where that
    can be; return how many there are."""
    count = 0
    for folder in sorted(path for path in raw.rglob("*") if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        for place in evenly(len(files), len(files) // share):
            target = out / files[place].relative_to(raw)
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(files[place], target)
            except OSError:
                shutil.copyfile(files[place], target)
            count += 1
    return count


def grow(raw: Path, folder: Path, clone: Path) -> Sizes:
    """The figures of every stage on each part of the pictures."""
    sizes: Sizes = {}
    for share in SHARES:
        part = folder / f"part-{share}"
        pictures = part_of(raw, share, part)
        # of some twenty test pictures, one or two more mistakes in 8 bits would stop the run
        change(clone, {"data.raw": str(part), "export.max_drop": 1.0})
        print(f"{pictures} pictures ...", file=sys.stderr, flush=True)
        sizes[pictures] = stages_of(measure(REPRO, clone, folder / f"{pictures}.log"))
        shutil.rmtree(part)
    return sizes


def show(sizes: Sizes) -> str:
    """Seconds and peak MB of every stage as Markdown, a column for each number of pictures."""
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


def plot(sizes: Sizes, out: Path) -> None:
    """Seconds and peak memory against pictures, a line a stage."""
    kinds = (("seconds", "seconds", 1.0), ("process_mb", "peak memory, GB", 1e-3))
    with two_plots(out) as both:
        for axes, (key, title, scale) in zip(both, kinds, strict=True):
            for name in SHOWN:
                values = [stages[name][key] * scale for stages in sizes.values()]
                axes.plot(list(sizes), values, "o-", markersize=3, label=name)
            axes.set(xlabel="pictures", ylabel=title, xlim=(0, None), ylim=(0, None))
            axes.set_xticks([count for count in sizes if count > max(sizes) / 10])
        both[0].legend(frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", type=Path, default=BESIDE, help="a folder with train/ and val/")
    parser.add_argument("--out", type=Path, help="the plot, an SVG file")
    parser.add_argument("--keep", action="store_true", help="leave the clone where it is")
    args = parser.parse_args()
    if not args.raw.is_dir():
        parser.error(f"--raw {args.raw}: there is no such folder")
    with cold_clone(args.keep) as (folder, clone):
        about = {**machine(), "raw": str(args.raw)}
        sizes = grow(args.raw.resolve(), folder, clone)
        tell(about, {"growth": sizes}, folder, show(sizes))
    if args.out:
        plot(sizes, args.out)


if __name__ == "__main__":
    main()
