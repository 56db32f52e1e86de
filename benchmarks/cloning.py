"""Clones to run the pipeline from nothing, and reports of the measurements."""

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from ruamel.yaml import YAML

from tench.core.parallel import available_cores
from tench.core.params import Params, load_params

ROOT = Path(__file__).resolve().parent.parent
RESULTS_FOLDER = ROOT / "benchmarks/results"
REPRO_COMMAND = [sys.executable, "-m", "dvc", "repro"]


@contextmanager
def cold_clone(keep: bool = False) -> Iterator[tuple[Path, Path]]:
    """Yield a new folder for results and, in it, a clone of HEAD without lock files and metrics.

    The clone has a separate DVC cache. It is removed at the end unless `keep`.
    """
    folder = RESULTS_FOLDER / time.strftime("%Y-%m-%d-%H%M%S")
    clone = folder / "tench"
    folder.mkdir(parents=True)
    git_output(ROOT, "clone", "--quiet", str(ROOT), str(clone))
    for committed in ("dvc.lock", "data/dvc.lock"):  # otherwise DVC skips stages without outs
        (clone / committed).unlink(missing_ok=True)
    shutil.rmtree(clone / "metrics", ignore_errors=True)
    try:
        yield folder, clone
    finally:
        if not keep:
            shutil.rmtree(clone, ignore_errors=True)


def git_output(folder: Path, *arguments: str) -> str:
    """Return the output of a git command."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True).stdout


def set_params(clone: Path, changes: dict[str, Any]) -> Params:
    """Set keys of the clone's params.yaml, starting from HEAD. Returns the parameters."""
    yaml, file = YAML(), clone / "params.yaml"
    git_output(clone, "checkout", "--quiet", "HEAD", "--", file.name)
    content = yaml.load(file)
    for key, value in changes.items():
        section, name = key.split(".")
        content[section][name] = value
    yaml.dump(content, file)
    return load_params(file)


def describe_machine() -> dict[str, Any]:
    """Describe the machine, so that readers can compare the numbers."""
    names = ("dvc", "keras", "tensorflow", "ai-edge-litert")
    return {
        "commit": git_output(ROOT, "describe", "--always", "--dirty").strip(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": available_cores(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names),
    }


def report_results(
    about: Mapping[str, Any], result: Mapping[str, Any], folder: Path, tables: str
) -> None:
    """Print the machine and the tables, and write the numbers to result.json in `folder`."""
    text = json.dumps({"about": about, **result}, indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n")
    print(tables)
    if about["commit"].endswith("-dirty"):
        print("\nMeasured on HEAD, without the uncommitted changes.")
