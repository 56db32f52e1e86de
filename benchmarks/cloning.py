"""A clone of the checkout to run the pipeline in from nothing, and what is told of it."""

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
    """A new folder for results and in it a clone of HEAD, with a DVC cache of its own and without
    locks and metrics; removed at the end unless `keep`."""
    folder = RESULTS_FOLDER / time.strftime("%Y-%m-%d-%H%M%S")
    clone = folder / "tench"
    folder.mkdir(parents=True)
    git_output(ROOT, "clone", "--quiet", str(ROOT), str(clone))
    for committed in ("dvc.lock", "data/dvc.lock"):  # with them, a stage with no outs is skipped
        (clone / committed).unlink(missing_ok=True)
    shutil.rmtree(clone / "metrics", ignore_errors=True)
    try:
        yield folder, clone
    finally:
        if not keep:
            shutil.rmtree(clone, ignore_errors=True)


def git_output(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, check=True, text=True, capture_output=True).stdout


def set_params(clone: Path, changes: dict[str, Any]) -> Params:
    """Set keys of the clone's params.yaml; all others as they are in HEAD."""
    yaml, file = YAML(), clone / "params.yaml"
    git_output(clone, "checkout", "--quiet", "HEAD", "--", file.name)
    content = yaml.load(file)
    for key, value in changes.items():
        section, name = key.split(".")
        content[section][name] = value
    yaml.dump(content, file)
    return load_params(file)


def describe_machine() -> dict[str, Any]:
    """What a reader must know to compare these numbers with others."""
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
    about: Mapping[str, Any], result: Mapping[str, Any], folder: Path, shown: str
) -> None:
    """Print what was measured and on what; write both to result.json in `folder`."""
    text = json.dumps({"about": about, **result}, indent=2)
    (folder / "result.json").write_text(text + "\n", encoding="utf-8")
    print("\n".join(f"{key}: {value}" for key, value in about.items()) + "\n")
    print(shown)
    if about["commit"].endswith("-dirty"):
        print("\nMeasured is HEAD: changes that are not committed are not in it.")
