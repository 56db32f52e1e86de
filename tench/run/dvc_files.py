"""Stages in dvc.yaml, and the digests of their inputs and outputs in dvc.lock."""

from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.names import printable
from tench.core.paths import PIPELINES
from tench.core.yaml_files import read_mapping
from tench.run.lock_yaml import read_lock

Stages = dict[str, dict[str, Any]]  # entries of a dvc.yaml or dvc.lock, by stage name

TYPE_NAMES: dict[type[Any], str] = {dict: "mapping", list: "list", str: "string"}


def stage_digests(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The digests of a locked stage's `outs` or `deps`, by path."""
    entries = (entry for entry in stage.get(kind, []) if is_locked_path(entry))
    return {entry["path"]: entry.get("md5", "") for entry in entries}


def is_locked_path(entry: Any) -> bool:
    """Whether an entry of `outs` or `deps` is that of a dvc.lock."""
    return isinstance(entry, dict) and "path" in entry


def all_stage_digests(stages: Stages, kind: str) -> dict[str, str]:
    """The digests of all stages' `outs` or `deps`, by path."""
    return {
        path: md5 for stage in stages.values() for path, md5 in stage_digests(stage, kind).items()
    }


def stages_in(content: dict[str, Any], source: object) -> Stages:
    """The stages in the content of a dvc.yaml or dvc.lock.

    Raises:
        TenchError: an entry has another type than DVC writes.
    """

    def check(value: Any, kind: type[Any], *keys: str) -> Any:
        if not isinstance(value, kind):
            raise TenchError(f"{source}: {printable('.'.join(keys))}: must be a {TYPE_NAMES[kind]}")
        return value

    stages = check(content.get("stages") or {}, dict, "stages")
    for name, stage in stages.items():
        check(name, str, "stages", str(name))
        check(stage, dict, "stages", name)
        params = stage.get("params", [])
        if isinstance(params, dict):  # in dvc.lock; a list in dvc.yaml
            for file, values in params.items():
                for key in check(values, dict, "stages", name, "params", str(file)):
                    check(key, str, "stages", name, "params", str(file), str(key))
        for kind in ("deps", "outs"):
            for entry in check(stage.get(kind, []), list, "stages", name, kind):
                if is_locked_path(entry):
                    check(entry["path"], str, "stages", name, kind, "path")
                    check(entry.get("md5", ""), str, "stages", name, kind, "md5")
    return stages  # type: ignore[no-any-return]


def read_stages(file: Path) -> Stages:
    """The stages in a dvc.yaml or dvc.lock; {} if the file does not exist. Raises TenchError."""
    if not file.exists():
        return {}
    read = read_lock if file.suffix == ".lock" else read_mapping
    return stages_in(read(file.read_bytes(), file), file)


def find_stage(stage: str) -> dict[str, Any]:
    """The entry of a stage in the dvc.yaml files; {} if there is none. Raises TenchError."""
    for pipeline in PIPELINES:
        if entry := read_stages(pipeline).get(stage):
            return entry
    return {}


def read_lock_files() -> tuple[Stages, Stages]:
    """The locked stages of the main pipeline, and of the raw data and baseline pipelines. Raises
    TenchError."""
    main, *rest = (read_stages(pipeline.with_suffix(".lock")) for pipeline in PIPELINES)
    return main, {name: stage for others in rest for name, stage in others.items()}
