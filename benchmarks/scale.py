"""What every stage takes at 1,000, 10,000 and 100,000 images: seconds, memory, disk, files.

    python -m benchmarks.scale --images 1000 10000 100000 --memory-gb 8

Makes so many small images of Imagenette's (benchmarks.many), runs `dvc repro` on them from
nothing in a temporary clone of the checkout's HEAD, one number after the other, and then once more
with nothing changed. Adds a row a stage to --out, and takes the place of those of an earlier run on
as many images. benchmarks.scale_plot makes a table and a plot of them. Each run's output and its
metrics/ stay in benchmarks/results/TIME/.
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

MAX_CLASSES, MIN_IMAGES_PER_CLASS = 1000, 10  # classes, where each has so many images
CGROUP_FOLDERS = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")  # version 1, version 2
CGROUP_LIMIT_FILES = "memory.limit_in_bytes", "memory.max"
RESULT_COLUMNS = (
    *("images", "classes", "image_size", "memory_gb", "stage"),
    *("seconds", "own_seconds", "peak_mb", "bytes", "files"),
)
UNCHANGED_LABEL = "(nothing changed)"


@contextmanager
def memory_limited(gigabytes: float | None) -> Iterator[list[str]]:
    """What to put before a command, so that it and all that it starts get no more memory than that,
    their files in the page cache included; the kernel kills what wants more.

    Exits with one line where no memory group can be made.
    """
    if gigabytes is None:
        yield []
        return
    place, limit = next(
        (
            (one / f"tench-{os.getpid()}", name)
            for one, name in zip(CGROUP_FOLDERS, CGROUP_LIMIT_FILES, strict=True)
            if (one / "cgroup.procs").is_file()
        ),
        (CGROUP_FOLDERS[0], ""),
    )
    try:
        place.mkdir()
        (place / limit).write_text(str(int(gigabytes * 1e9)))
    except OSError as error:
        sys.exit(f"error: --memory-gb: no memory group can be made: {error}; leave it out")
    try:
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(place / "cgroup.procs")]
    finally:
        place.rmdir()


def stage_output_sizes(clone: Path) -> dict[str, tuple[int, int]]:
    """Bytes and files of what each stage left, by stage, as the lock files have them; and of the
    raw images, as `raw images`."""
    found: dict[str, tuple[int, int]] = {}
    for pipeline in PIPELINES:
        lock = clone / pipeline.with_suffix(".lock")
        if not lock.is_file():
            continue
        for name, stage in YAML(typ="safe").load(lock)["stages"].items():
            outs = stage.get("outs", [])
            found[name] = total_size(outs)
            if name == "prepare":
                raw = [dep for dep in stage["deps"] if Path(dep["path"]).is_absolute()]
                found["raw images"] = total_size(raw)
    return found


def total_size(entries: Sequence[dict[str, Any]]) -> tuple[int, int]:
    """Bytes and files of a lock file's entries."""
    return sum(one["size"] for one in entries), sum(one.get("nfiles", 1) for one in entries)


def stage_result_rows(
    run: MeasuredRun, again: MeasuredRun, clone: Path
) -> dict[str, tuple[Any, ...]]:
    """Each stage's figures in the order of COLUMNS from `seconds` on: with DVC's own work, of its
    process alone, peak memory of a process, and what it left."""
    costs, kept = read_json(clone / COSTS), stage_output_sizes(clone)
    table: dict[str, tuple[Any, ...]] = {"raw images": ("", "", "", *kept.pop("raw images"))}
    for name, figures in stage_figures(run).items():
        own = costs.get(name, {})
        peak = max(own.get("peak_mb", 0), round(figures["process_mb"]))
        measured = (round(figures["seconds"], 1), own.get("seconds", ""), peak)
        table[name] = (*measured, *kept.get(name, ("", "")))
    for name, one in ((UNCHANGED_LABEL, summarize_run(again)), ("all", summarize_run(run))):
        table[name] = (round(one["seconds"], 1), "", round(one["process_mb"]), "", "")
    return table


def run_with_images(
    count: int, options: argparse.Namespace, folder: Path, clone: Path
) -> list[Any]:
    """Make `count` images and run the pipeline on them; the rows of COLUMNS."""
    classes, raw = min(MAX_CLASSES, count // MIN_IMAGES_PER_CLASS), folder / f"raw-{count}"
    write_dataset(options.raw.resolve(), count, classes, raw)
    set_params(
        clone,
        {
            "data.raw": str(raw),
            "data.image_size": options.image_size,
            "audit.max_leaks": count,  # they are counted, but stop nothing here
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
    """Put rows of some number of images into a table, in the place of those that it has."""
    counts = {str(row[0]) for row in rows}
    before = read_csv(out) if out.exists() else []
    kept = [tuple(row.values()) for row in before if row["images"] not in counts]
    write_csv(RESULT_COLUMNS, sorted([*kept, *rows], key=lambda row: int(row[0])), out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--image-size", type=int, default=32, help="pixels a side, from 32 on")
    parser.add_argument("--memory-gb", type=float, help="no more memory than that (needs root)")
    parser.add_argument("--raw", type=Path, default=SHARED_IMAGENETTE, help="Imagenette's images")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/scale.csv"))
    parser.add_argument("--keep", action="store_true", help="leave the clone where it is")
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
