"""The harness: the twin and the pipeline on the same pictures, in one run.

    python -m benchmarks.compare [--raw data/sample] [--peer .venv-peer/bin/python] [--keep]
    python -m benchmarks.compare --memory-only [--repeat-data 4]

Works on a temporary clone of the checkout's HEAD with a DVC cache of its own, below
benchmarks/results/. Prints Markdown; the same numbers go to benchmarks/results/TIME/result.json,
beside everything the runs printed.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from benchmarks.measure import Run, embed_rates, measure, stages_of, summary
from benchmarks.scripts import python_with_torch, script_command
from tench.core.names import MODELS
from tench.core.parallel import cores
from tench.core.params import Params, load_params
from tench.core.paths import IMAGENETTE, SAMPLE
from tench.reporting.history import COLUMNS, history
from tench.reporting.tables import markdown_table

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks/results"
EMBED_TARGET, MEMORY_TARGET, NOTHING_TARGET = 450, 2500, 3.0  # pictures/s, MB, s
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("finetune.learning_rate = 1e-5", {"finetune.learning_rate": 1e-5}),
    ("finetune.fine_tune_at = 135", {"finetune.fine_tune_at": 135}),
    ("extract_train.learning_rate = 1e-3", {"extract_train.learning_rate": 1e-3}),
]
TARGETS = [(5, 8), (5, 8), (4, 6)]  # how many times faster than the twin: at least, aim
COLD_TARGET = (2.5, 4)


def pipeline_scores(clone: Path) -> dict[str, Any]:
    """Validation accuracy of every epoch and the test scores, from a clone's metrics."""
    place = COLUMNS.index(("val", "accuracy"))
    accuracy = [
        values[place]
        for stage in ("extract-train", "finetune")
        for _, values in history(stage, clone / "metrics")
    ]
    test = json.loads((clone / "metrics/evaluate.json").read_text(encoding="utf-8"))
    return {
        "val_accuracy": accuracy,
        **{name: {k: test[name][k] for k in ("accuracy", "loss")} for name in MODELS},
    }


def change(clone: Path, changes: dict[str, Any]) -> Params:
    """Set keys of the clone's params.yaml; all others as they are in HEAD."""
    yaml, file = YAML(), clone / "params.yaml"
    git(clone, "checkout", "--quiet", "HEAD", "--", file.name)
    content = yaml.load(file)
    for key, value in changes.items():
        section, name = key.split(".")
        content[section][name] = value
    yaml.dump(content, file)
    return load_params(file)


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True).stdout


REPRO = [sys.executable, "-m", "dvc", "repro"]


def compare(clone: Path, folder: Path, raw: dict[str, Any], peer: str | None) -> dict[str, Any]:
    """Measure the cold pipeline, the twin, its peer where there is a Python for it, and the
    pipeline after each change, in this order."""

    def repro(label: str, name: str) -> Run:
        print(f"{label} ...", file=sys.stderr, flush=True)
        run = measure(REPRO, clone, folder / f"{name}.log")
        runs.append({"run": label, **summary(run), **pipeline_scores(clone)})
        return run

    def script(name: str, python: str) -> None:
        print(f"{name} ...", file=sys.stderr, flush=True)
        run = measure(script_command(python, name, params), clone, folder / f"{name}.log")
        scores = json.loads(run.lines[-1][1])
        scores["val_accuracy"] = scores.pop("history")["val_accuracy"]
        runs.append({**scores, "run": name, **summary(run)})

    runs: list[dict[str, Any]] = []
    params = change(clone, raw)
    cold = repro("pipeline, cold", "cold")
    stages = stages_of(cold)
    script("twin", sys.executable)
    if peer:
        script("peer", peer)
    repro("nothing changed", "nothing")
    for number, (label, changes) in enumerate(CHANGES):
        change(clone, raw | changes)
        repro(label, f"change-{number + 1}")
    embed = embed_rates(cold, stages["embed"]["seconds"])
    return {"runs": runs, "stages": stages, "embed": embed}


def verdict(value: float, least: float, aim: float) -> str:
    """Whether a ratio meets its target."""
    return f"yes, and the aim of {aim}" if value >= aim else "yes" if value >= least else "no"


def rate(pictures: float) -> str:
    """Pictures per second, and whether they meet the target."""
    return f"{pictures:.0f} ({'met' if pictures >= EMBED_TARGET else 'missed'})"


def show(result: dict[str, Any]) -> str:
    """The comparison as Markdown."""
    runs, stages, embed = result["runs"], result["stages"], result["embed"]
    twin = next(run["seconds"] for run in runs if run["run"] == "twin")
    wanted = {runs[0]["run"]: COLD_TARGET}
    wanted |= {label: target for (label, _), target in zip(CHANGES, TARGETS, strict=True)}
    rows: list[tuple[str, ...]] = [
        ("Run", "Seconds", "Peak MB", "all processes", "twin / this", "Target", "Met")
    ]
    for run in runs:
        ratio = twin / run["seconds"]
        target, met = "", ""
        if run["run"] in wanted:
            least, aim = wanted[run["run"]]
            target, met = f"{least} ({aim})", verdict(ratio, least, aim)
        elif run["run"] == "nothing changed":
            target = f"under {NOTHING_TARGET:.0f} s"
            met = "yes" if run["seconds"] < NOTHING_TARGET else "no"
        sizes = (f"{run['process_mb']:.0f}", f"{run['tree_mb']:.0f}")
        rows.append((run["run"], f"{run['seconds']:.1f}", *sizes, f"{ratio:.1f}", target, met))
    cold: list[tuple[str, ...]] = [
        ("Stage, cold", "Seconds", "its process", "Peak MB", "all processes")
    ]
    for name, one in stages.items():
        figures = (one["seconds"], one["own_seconds"])
        sizes = (f"{one['process_mb']:.0f}", f"{one['tree_mb']:.0f}")
        cold.append((name, *(f"{figure:.1f}" for figure in figures), *sizes))
    peak = max(one["process_mb"] for one in stages.values())
    fetching = sum(stages[s]["seconds"] for s in ("imagenette", "sample", "weights") if s in stages)
    scores: list[tuple[str, ...]] = [
        ("Accuracy", "val, epoch by epoch", "test, frozen", "test, fine-tuned")
    ]
    for run in runs:
        val = " ".join(f"{value:.3f}" for value in run["val_accuracy"])
        test = (f"{run[name]['accuracy']:.3f}" for name in ("frozen", "finetuned"))
        scores.append((run["run"], val, *test))
    return f"""{markdown_table(rows)}

The cold run gets pictures and weights and verifies them ({fetching:.1f} s of it); the twin finds
them there, and downloads nothing.

{markdown_table(cold)}

embed, pictures/s, target {EMBED_TARGET}: {rate(embed["by_bar"])} by its progress bars, \
{rate(embed["by_stage"])} by the
stage's wall time, with TensorFlow's start-up and DVC's hashing.
Largest process of any stage: {peak:.0f} MB; target under {MEMORY_TARGET}, met: \
{"yes" if peak < MEMORY_TARGET else "no"}.

{markdown_table(scores)}"""


def repeat(raw: Path, out: Path, times: int) -> None:
    """Copy a raw folder with every picture `times` times, under other names."""
    for file in sorted(raw.rglob("*")):
        for number in range(times if file.is_file() else 0):
            target = out / file.relative_to(raw).with_stem(f"{file.stem}-{number}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def memory(clone: Path, folder: Path, raw: dict[str, Any], times: int) -> dict[str, Any]:
    """Peak memory of every stage, cold, and again with the data repeated."""
    params = change(clone, raw)
    print("pipeline, cold ...", file=sys.stderr, flush=True)
    sizes = {"1": stages_of(measure(REPRO, clone, folder / "cold.log"))}
    if times > 1:
        repeat(clone / params.data.raw, folder / "repeated", times)
        # the copies of one picture fall into val and test: leaks, which are not the question here
        change(clone, {"data.raw": str(folder / "repeated"), "audit.max_leaks": 10**9})
        print(f"pipeline on {times} times the data ...", file=sys.stderr, flush=True)
        run = measure(REPRO, clone, folder / "repeated.log")
        sizes[str(times)] = stages_of(run)
        shutil.rmtree(folder / "repeated")
    return {"memory": sizes}


def show_memory(result: dict[str, Any]) -> str:
    """Peak memory by stage as Markdown, one column for each size of the data."""
    sizes = result["memory"]
    rows: list[tuple[str, ...]] = [
        ("Stage", *(f"Peak MB, {size} times the data" for size in sizes))
    ]
    for name in sizes["1"]:
        peaks = (sizes[size].get(name) for size in sizes)
        rows.append(
            (name, *(f"{one['process_mb']:.0f}" if one else "did not run" for one in peaks))
        )
    return markdown_table(rows)


def machine() -> dict[str, Any]:
    """What a reader must know to compare these numbers with others."""
    names = ("dvc", "keras", "tensorflow", "ai-edge-litert")
    return {
        "commit": git(ROOT, "describe", "--always", "--dirty").strip(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", help="data.raw to use instead of params.yaml's")
    parser.add_argument("--peer", metavar="PYTHON", help="run the peer too, with this Python")
    parser.add_argument("--memory-only", action="store_true", help="peak memory only, no twin")
    parser.add_argument("--repeat-data", type=int, default=1, metavar="N", help="N times the data")
    parser.add_argument("--keep", action="store_true", help="leave the clone where it is")
    args = parser.parse_args()
    if args.repeat_data > 1 and not args.memory_only:
        parser.error("--repeat-data measures memory: give --memory-only too")
    if args.peer:
        args.peer = python_with_torch(args.peer)
    folder = RESULTS / time.strftime("%Y-%m-%d-%H%M%S")
    clone = folder / "tench"
    folder.mkdir(parents=True)
    about = machine()
    git(ROOT, "clone", "--quiet", str(ROOT), str(clone))
    for committed in ("dvc.lock", "data/dvc.lock"):  # with them, a stage with no outs is skipped
        (clone / committed).unlink(missing_ok=True)
    shutil.rmtree(clone / "metrics", ignore_errors=True)
    about["raw"] = args.raw or load_params(clone / "params.yaml").data.raw
    raw: dict[str, Any] = {}
    if args.raw:
        raw["data.raw"] = (
            args.raw if Path(args.raw) in (IMAGENETTE, SAMPLE) else str(Path(args.raw).resolve())
        )
    try:
        if args.memory_only:
            result = memory(clone, folder, raw, args.repeat_data)
        else:
            result = compare(clone, folder, raw, args.peer)
    finally:
        if not args.keep:
            shutil.rmtree(clone, ignore_errors=True)
            shutil.rmtree(folder / "repeated", ignore_errors=True)
    text = json.dumps({"about": about, **result}, indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n")
    print(show_memory(result) if args.memory_only else show(result))
    if about["commit"].endswith("-dirty"):
        print("\nMeasured is HEAD: changes that are not committed are not in it.")


if __name__ == "__main__":
    main()
