"""Repositories with synthetic results in commits and experiments, for tests of tench.compare."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dvc.repo.experiments.refs import ExpRefInfo
from pipeline_clones import CHECKOUT, commit_all, run_git, set_params
from ruamel.yaml import YAML

from tench.core.files import write_csv, write_json, write_text
from tench.core.paths import CLASSIFIER, FINETUNE_SCORES, PARAMS, PREDICTIONS, SCORES
from tench.report.compare.run_results import COSTS, LOCK_FILE

CODE_DIGESTS = {"stages/finetune.py": "c0de", "data/imagenette": "da7a"}
CORRECT_PATTERN = "110111111101"  # default: which test images are predicted correctly


def write_predictions(folder: Path, right: str, first: int = 0) -> None:
    """Write predictions of test images, numbered from `first`; a 1 in `right` is a correct one."""
    rows = [
        (f"test/dog/{number:03d}.webp", "dog", "dog" if mark == "1" else "fish")
        for number, mark in enumerate(right, first)
    ]
    write_csv(("path", "label", "prediction"), rows, folder / PREDICTIONS)


def write_lock_file(folder: Path, classifier: str, code: Mapping[str, str] = CODE_DIGESTS) -> None:
    """Write the lock file of a run with the parameters in params.yaml."""
    params = YAML(typ="safe", pure=True).load(folder / PARAMS)

    def entries(digests: Mapping[str, str]) -> list[dict[str, str]]:
        return [{"path": path, "hash": "md5", "md5": md5} for path, md5 in digests.items()]

    made = {CLASSIFIER.as_posix(): classifier}
    keys = ("seed", "finetune")
    stages = {
        "finetune": {
            "deps": entries(code),
            "params": {"params.yaml": {key: params[key] for key in keys}},
            "outs": entries(made),
        },
        "evaluate": {"deps": entries(made), "params": {"packages.yaml": {"keras": "3.13.0"}}},
    }
    YAML(typ="safe", pure=True).dump({"schema": "2.0", "stages": stages}, folder / LOCK_FILE)


def write_run_results(
    folder: Path,
    right: str = CORRECT_PATTERN,
    val: float = 0.9,
    costs: Mapping[str, float] | None = None,
    first: int = 0,
    **changes: Any,
) -> None:
    """Write a run's results.

    Args:
        folder: Project folder.
        right: A 1 for each test image predicted correctly, a 0 for the others.
        val: Validation accuracy.
        costs: Seconds by stage.
        first: Number of the first test image.
        changes: Parameter values by dotted key.
    """
    set_params(folder, changes)
    accuracy = right.count("1") / len(right)
    digest = f"{accuracy:.6f}-{sorted(changes.items())}"
    write_lock_file(folder, digest)
    scores = {"finetuned": {"accuracy": accuracy, "loss": 0.1, "images": len(right)}}
    write_json({**scores, "macro_f1": accuracy, "balanced_accuracy": accuracy}, folder / SCORES)
    write_json({"val": {"accuracy": val}, "step": 6}, folder / FINETUNE_SCORES)
    write_predictions(folder, right, first)
    if costs is not None:
        entries = {
            name: {"seconds": seconds, "peak_mb": 9.5, "outs": [[CLASSIFIER.as_posix(), digest]]}
            for name, seconds in costs.items()
        }
        write_json(entries, folder / COSTS)


def make_repository(folder: Path, **results: Any) -> None:
    """Make a repository with one commit of results and the parameters of the checkout."""
    folder.mkdir(exist_ok=True)
    shutil.copy(CHECKOUT / PARAMS, folder)
    write_run_results(folder, **results)
    run_git(folder, "init", "--quiet", "--initial-branch=main")
    commit_all(folder)


def save_experiment(folder: Path, name: str) -> str:
    """Save the folder as an experiment of HEAD, as DVC does, and reset it; return the commit."""
    baseline = run_git(folder, "rev-parse", "HEAD").strip()
    run_git(folder, "add", "--all")
    tree = run_git(folder, "write-tree").strip()
    made = run_git(folder, "commit-tree", tree, "-p", baseline, "-m", f"dvc: commit {name}").strip()
    run_git(folder, "update-ref", str(ExpRefInfo(baseline, name)), made)
    run_git(folder, "reset", "--quiet", "--hard")
    return made


def make_experiment(folder: Path, name: str, **results: Any) -> str:
    """Save results of `write_run_results` as an experiment of HEAD; return its commit."""
    write_run_results(folder, **results)
    return save_experiment(folder, name)


def make_experiment_with_file(folder: Path, name: str, file: Path, text: str | None) -> None:
    """Save an experiment with another text in a file, or without the file if `text` is None."""
    if text is None:
        (folder / file).unlink()
    else:
        write_text(text, folder / file)
    save_experiment(folder, name)
