"""What the lock files say every stage read and wrote."""

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


def locked() -> tuple[Stages, Stages]:
    """The stages of the pipeline itself, and those of the others: raw data and baseline. Raises
    TenchError."""
    main, *rest = (read_stages(pipeline.with_suffix(".lock")) for pipeline in PIPELINES)
    return main, {name: stage for others in rest for name, stage in others.items()}
