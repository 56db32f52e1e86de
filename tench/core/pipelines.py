"""What dvc.yaml says of every stage, and dvc.lock of what it read and wrote."""

from pathlib import Path
from typing import Any

from tench.core.paths import PIPELINES
from tench.core.quick_yaml import mapping

Stages = dict[str, dict[str, Any]]  # what a lock file holds of every stage, by its name


def digests(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The digests of a locked stage's `outs` or `deps`, by path."""
    return {one["path"]: one.get("md5", "") for one in stage.get(kind, [])}


def all_digests(stages: Stages, kind: str) -> dict[str, str]:
    """The digests of all stages' `outs` or `deps`, by path."""
    return {path: md5 for stage in stages.values() for path, md5 in digests(stage, kind).items()}


def read_stages(file: Path) -> Stages:
    """The stages that a dvc.yaml or dvc.lock holds, none if there is no such file. Raises
    TenchError."""
    return mapping(file.read_bytes(), file).get("stages", {}) if file.exists() else {}


def described(stage: str) -> dict[str, Any]:
    """A stage as the dvc.yaml of a pipeline has it; empty where none has it. Raises TenchError."""
    for pipeline in PIPELINES:
        if found := read_stages(pipeline).get(stage):
            return found
    return {}


def locked() -> tuple[Stages, Stages]:
    """The stages of the pipeline itself, and those of the others: raw data and baseline. Raises
    TenchError."""
    main, *rest = (read_stages(pipeline.with_suffix(".lock")) for pipeline in PIPELINES)
    return main, {name: stage for others in rest for name, stage in others.items()}
