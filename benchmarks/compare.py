"""Compare the pipeline with the Keras and PyTorch baselines on the same images.

    python -m benchmarks.compare [--raw data/sample] [--pytorch .venv-pytorch/bin/python] [--keep]

Runs in a temporary clone of HEAD with a separate DVC cache, below benchmarks/results/. Prints
Markdown, and writes the numbers to benchmarks/results/TIME/result.json and the output of each run
to a log file there.
"""

import argparse
import json
import sys
from operator import add
from pathlib import Path
from typing import Any

from benchmarks.cloning import (
    REPRO_COMMAND,
    cold_clone,
    describe_machine,
    report_results,
    set_params,
)
from benchmarks.measure import (
    MeasuredRun,
    embed_rates,
    measure_command,
    stage_figures,
    summarize_run,
)
from benchmarks.scripts import python_with_torch, script_command
from tench.core.names import MODEL_NAMES
from tench.core.params import load_params
from tench.core.paths import IMAGENETTE, SAMPLE
from tench.report.page.history import HISTORY_COLUMNS, read_history
from tench.report.page.tables import markdown_table

EMBED_TARGET, MEMORY_TARGET, NOTHING_TARGET = 450, 2500, 2.5  # images/s, MB, s
PARAM_CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("finetune.learning_rate = 1e-5", {"finetune.learning_rate": 1e-5}),
    ("finetune.fine_tune_at = 135", {"finetune.fine_tune_at": 135}),
    ("extract_train.learning_rate = 1e-3", {"extract_train.learning_rate": 1e-3}),
]
SPEEDUP_TARGETS = [(9, 12), (9, 12), (8, 12)]  # speedup over the Keras baseline: least, aim
COLD_SPEEDUP_TARGET = (4, 5)
FULL_PIPELINE_LABEL = "export and report too"
COMBINE_FIGURES = {"seconds": add, "process_mb": max, "tree_mb": max}  # of two consecutive runs


def pipeline_scores(clone: Path) -> dict[str, Any]:
    """Read the validation accuracy of every epoch and the test scores from a clone's metrics."""
    column = HISTORY_COLUMNS.index(("val", "accuracy"))
    accuracy = [
        values[column]
        for stage in ("extract-train", "finetune")
        for _, values in read_history(stage, clone / "metrics")
    ]
    test = json.loads((clone / "metrics/evaluate.json").read_text(encoding="utf-8"))
    return {
        "val_accuracy": accuracy,
        **{name: {k: test[name][k] for k in ("accuracy", "loss")} for name in MODEL_NAMES},
    }


def run_comparison(
    clone: Path, folder: Path, raw: dict[str, Any], pytorch: str | None
) -> dict[str, Any]:
    """Measure the cold pipeline, the baselines, and the pipeline after each change, in this order.

    `pytorch` is the Python of the PyTorch baseline, which is skipped if None."""

    def repro(label: str, name: str, *targets: str) -> MeasuredRun:
        print(f"{label} ...", file=sys.stderr, flush=True)
        run = measure_command([*REPRO_COMMAND, *targets], clone, folder / f"{name}.log")
        runs.append({"run": label, **summarize_run(run), **pipeline_scores(clone)})
        return run

    def script(name: str, python: str) -> None:
        print(f"{name} ...", file=sys.stderr, flush=True)
        run = measure_command(script_command(python, name, params), clone, folder / f"{name}.log")
        scores = json.loads(run.lines[-1][1])
        scores["val_accuracy"] = scores.pop("history")["val_accuracy"]
        runs.append({**scores, "run": name, **summarize_run(run)})

    runs: list[dict[str, Any]] = []
    params = set_params(clone, raw)
    cold = repro("pipeline, cold", "cold")
    stages = stage_figures(cold)
    script("keras_baseline", sys.executable)
    if pytorch:
        script("pytorch_baseline", pytorch)
    repro("nothing changed", "nothing")
    for number, (label, changes) in enumerate(PARAM_CHANGES):
        set_params(clone, raw | changes)
        repro(label, f"change-{number + 1}", "evaluate")
        scored = runs[-1]
        repro(f"{label}, {FULL_PIPELINE_LABEL}", f"change-{number + 1}-whole")
        runs[-1] |= {
            key: combine(runs[-1][key], scored[key]) for key, combine in COMBINE_FIGURES.items()
        }
    embed = embed_rates(cold, stages["embed"]["seconds"])
    return {"runs": runs, "stages": stages, "embed": embed}


def judge_ratio(value: float, least: float, aim: float) -> str:
    """Return whether a ratio meets its target and its aim."""
    return f"yes, and the aim of {aim}" if value >= aim else "yes" if value >= least else "no"


def judge_rate(images: float) -> str:
    """Format images per second and whether they meet the target."""
    return f"{images:.0f} ({'met' if images >= EMBED_TARGET else 'missed'})"


def format_comparison(result: dict[str, Any]) -> str:
    """Format the comparison as Markdown."""
    runs, stages, embed = result["runs"], result["stages"], result["embed"]
    baseline = next(run["seconds"] for run in runs if run["run"] == "keras_baseline")
    wanted = {runs[0]["run"]: COLD_SPEEDUP_TARGET}
    wanted |= {
        label: target for (label, _), target in zip(PARAM_CHANGES, SPEEDUP_TARGETS, strict=True)
    }
    rows: list[tuple[str, ...]] = [
        ("Run", "Seconds", "Peak MB", "all processes", "speedup", "Target", "Met")
    ]
    for run in runs:
        ratio = baseline / run["seconds"]
        target, met = "", ""
        if run["run"] in wanted:
            least, aim = wanted[run["run"]]
            target, met = f"{least} ({aim})", judge_ratio(ratio, least, aim)
        elif run["run"] == "nothing changed":
            target = f"under {NOTHING_TARGET} s"
            met = "yes" if run["seconds"] < NOTHING_TARGET else "no"
        sizes = (f"{run['process_mb']:.0f}", f"{run['tree_mb']:.0f}")
        rows.append((run["run"], f"{run['seconds']:.1f}", *sizes, f"{ratio:.1f}", target, met))
    cold: list[tuple[str, ...]] = [
        ("Stage, cold", "Seconds", "its process", "its start-up", "Peak MB", "all processes")
    ]
    for name, one in stages.items():
        figures = (one["seconds"], one["own_seconds"], one["start_seconds"])
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

The cold run downloads and verifies images and weights ({fetching:.1f} s). The baselines reuse them.
Speedup is relative to the Keras baseline.

{markdown_table(cold)}

embed, images/s, target {EMBED_TARGET}: {judge_rate(embed["by_bar"])} by its progress bar, \
{judge_rate(embed["by_stage"])} by the
stage's wall time, with TensorFlow's start-up and DVC's hashing.
Largest process of any stage: {peak:.0f} MB; target under {MEMORY_TARGET}, met: \
{"yes" if peak < MEMORY_TARGET else "no"}.

{markdown_table(scores)}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--raw", help="data.raw, instead of the value in params.yaml")
    parser.add_argument("--pytorch", metavar="PYTHON", help="Python of the PyTorch baseline")
    parser.add_argument("--keep", action="store_true", help="keep the clone")
    args = parser.parse_args()
    if args.pytorch:
        args.pytorch = python_with_torch(args.pytorch)
    with cold_clone(args.keep) as (folder, clone):
        about = describe_machine()
        about["raw"] = args.raw or load_params(clone / "params.yaml").data.raw
        raw: dict[str, Any] = {}
        if args.raw:
            generated = Path(args.raw) in (IMAGENETTE, SAMPLE)  # by stages of the clone
            raw["data.raw"] = args.raw if generated else str(Path(args.raw).resolve())
        result = run_comparison(clone, folder, raw, args.pytorch)
        report_results(about, result, folder, format_comparison(result))


if __name__ == "__main__":
    main()
