"""Measure seconds, memory, disk and files of every stage at 1,000 to 100,000 images.

    python -m benchmarks.scale --images 1000 10000 100000 --memory-gb 8

For each number, generates small images (benchmarks.many) and runs `dvc repro` from nothing in a
temporary clone of HEAD, then again with nothing changed. Writes a row per stage to --out, replacing
earlier rows of the same number of images. benchmarks.scale_plot formats them. The output and
metrics/ of each run remain in benchmarks/results/TIME/.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.cloning import REPRO_COMMAND, cold_clone, describe_machine, set_params
from benchmarks.many import write_dataset
from benchmarks.measure import (
    SHARED_IMAGENETTE,
    MeasuredRun,
    measure_command,
    stage_figures,
    summarize_run,
)
from tench.core.files import read_csv, read_json, write_csv
from tench.core.paths import AUDIT_METRICS, COSTS, METRICS, PIPELINES

MAX_CLASSES, MIN_IMAGES_PER_CLASS = 1000, 10  # fewer classes if one would have fewer images
CGROUP_FOLDERS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")  # version 1, version 2
CGROUP_LIMIT_FILES = "memory.limit_in_bytes", "memory.max"
RESULT_COLUMNS = (
    *("images", "classes", "image_size", "memory_gb", "stage"),
    *("seconds", "own_seconds", "peak_mb", "bytes", "files"),
)
UNCHANGED_LABEL = "(nothing changed)"


@contextmanager
def memory_limited(gigabytes: float | None) -> Iterator[list[str]]:
    """Yield a command prefix that limits the memory of a command and its children.

    The limit includes the page cache, and the kernel kills processes beyond it. Raises SystemExit
    without permission for cgroups.
    """
    if gigabytes is None:
        yield []
        return
    group, limit = next(
        (
            (root / f"tench-{os.getpid()}", name)
            for root, name in zip(CGROUP_FOLDERS, CGROUP_LIMIT_FILES, strict=True)
            if (root / "cgroup.procs").is_file()
        ),
        (CGROUP_FOLDERS[0], ""),
    )
    try:
        group.mkdir()
        (group / limit).write_text(str(int(gigabytes * 1e9)))
    except OSError as error:
        sys.exit(
            f"error: --memory-gb: cannot create a memory cgroup: {error}. Run as root, or omit it."
        )
    try:
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")]
    finally:
        group.rmdir()


def stage_output_sizes(clone: Path) -> dict[str, tuple[int, int]]:
    """Return bytes and files of each stage's outputs, and of `raw images`, from the lock files."""
    sizes: dict[str, tuple[int, int]] = {}
    for pipeline in PIPELINES:
        lock = clone / pipeline.with_suffix(".lock")
        if not lock.is_file():
            continue
        for name, stage in YAML(typ="safe").load(lock)["stages"].items():
            outs = stage.get("outs", [])
            sizes[name] = total_size(outs)
            if name == "prepare":
                raw = [dep for dep in stage["deps"] if Path(dep["path"]).is_absolute()]
                sizes["raw images"] = total_size(raw)
    return sizes


def total_size(entries: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Sum up bytes and files of a lock file's entries."""
    return sum(one["size"] for one in entries), sum(one.get("nfiles", 1) for one in entries)


def stage_result_rows(
    run: MeasuredRun, again: MeasuredRun, clone: Path
) -> dict[str, tuple[Any, ...]]:
    """Return the columns of each stage from `seconds` to `files`, without the columns before."""
    costs, sizes = read_json(clone / COSTS), stage_output_sizes(clone)
    table: dict[str, tuple[Any, ...]] = {"raw images": ("", "", "", *sizes.pop("raw images"))}
    for name, figures in stage_figures(run).items():
        cost = costs.get(name, {})
        peak = max(cost.get("peak_mb", 0), round(figures["process_mb"]))
        measured = (round(figures["seconds"], 1), cost.get("seconds", ""), peak)
        table[name] = (*measured, *sizes.get(name, ("", "")))
    for name, one in ((UNCHANGED_LABEL, summarize_run(again)), ("all", summarize_run(run))):
        table[name] = (round(one["seconds"], 1), "", round(one["process_mb"]), "", "")
    return table


def run_with_images(
    count: int, options: argparse.Namespace, folder: Path, clone: Path
) -> list[Any]:
    """Generate `count` images and run the pipeline on them. Returns rows of COLUMNS."""
    classes, raw = min(MAX_CLASSES, count // MIN_IMAGES_PER_CLASS), folder / f"raw-{count}"
    write_dataset(options.raw.resolve(), count, classes, raw)
    set_params(
        clone,
        {
            "data.raw": str(raw),
            "data.image_size": options.image_size,
            "audit.max_leaks": count,  # count leaks without failing
            "export.max_accuracy_drop": 1.0,
        },
    )
    with memory_limited(options.memory_gb) as within:
        run = measure_command([*within, *REPRO_COMMAND], clone, folder / f"{count}.log")
        again = measure_command([*within, *REPRO_COMMAND], clone, folder / f"{count}-again.log")
    shutil.copytree(clone / METRICS, folder / f"metrics-{count}", dirs_exist_ok=True)
    audit = read_json(clone / AUDIT_METRICS)
    print(f"{count} images: {audit['duplicates']}, {audit['label_suspects']} suspects")
    shutil.rmtree(raw)
    about = (count, classes, options.image_size, options.memory_gb or "")
    return [(*about, name, *rest) for name, rest in stage_result_rows(run, again, clone).items()]


def merge_rows(rows: Sequence[Sequence[Any]], out: Path) -> None:
    """Write rows to a table, replacing those of the same number of images."""
    counts = {str(row[0]) for row in rows}
    before = read_csv(out) if out.exists() else []
    others = [tuple(row.values()) for row in before if row["images"] not in counts]
    write_csv(RESULT_COLUMNS, sorted([*others, *rows], key=lambda row: int(row[0])), out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--image-size", type=int, default=32, help="pixels, at least 32")
    parser.add_argument("--memory-gb", type=float, help="memory limit (needs root)")
    parser.add_argument("--raw", type=Path, default=SHARED_IMAGENETTE, help="Imagenette's images")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scale.csv"))
    parser.add_argument("--keep", action="store_true", help="keep the clone")
    options = parser.parse_args()
    if not options.raw.is_dir():
        parser.error(f"--raw {options.raw}: there is no such folder")
    if min(options.images) < 20 * MIN_IMAGES_PER_CLASS:
        parser.error(f"--images: from {20 * MIN_IMAGES_PER_CLASS} on")
    with cold_clone(options.keep) as (folder, clone):
        print("\n".join(f"{key}: {value}" for key, value in describe_machine().items()), flush=True)
        for count in options.images:
            merge_rows(run_with_images(count, options, folder, clone), options.out.absolute())


if __name__ == "__main__":
    main()
