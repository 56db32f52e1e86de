"""What dvc.yaml says of every stage, and dvc.lock of what it read and wrote."""

from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.names import printable
from tench.core.paths import PIPELINES
from tench.core.yaml_files import read_mapping
from tench.run.lock_yaml import read_lock

Stages = dict[str, dict[str, Any]]  # what a lock file holds of every stage, by its name

NAMES: dict[type[Any], str] = {dict: "mapping", list: "list", str: "string"}


def stage_digests(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The digests of a locked stage's `outs` or `deps`, by path."""
    listed = (one for one in stage.get(kind, []) if isinstance(one, dict) and "path" in one)
    return {one["path"]: one.get("md5", "") for one in listed}


def all_stage_digests(stages: Stages, kind: str) -> dict[str, str]:
    """The digests of all stages' `outs` or `deps`, by path."""
    return {
        path: md5 for stage in stages.values() for path, md5 in stage_digests(stage, kind).items()
    }


def stages_in(content: dict[str, Any], source: object) -> Stages:
    """The stages in the content of a dvc.yaml or dvc.lock.

    Raises:
        TenchError: an entry that is read here is of another type than DVC writes; names it.
    """

    def check(value: Any, kind: type[Any], *keys: str) -> Any:
        if not isinstance(value, kind):
            raise TenchError(f"{source}: {printable('.'.join(keys))}: must be a {NAMES[kind]}")
        return value

    stages = check(content.get("stages") or {}, dict, "stages")
    for name, stage in stages.items():
        check(name, str, "stages", str(name))
        check(stage, dict, "stages", name)
        params = stage.get("params", [])
        if isinstance(params, dict):  # of a dvc.lock
            for file, values in params.items():
                for key in check(values, dict, "stages", name, "params", str(file)):
                    check(key, str, "stages", name, "params", str(file), str(key))
        for kind in ("deps", "outs"):
            for one in check(stage.get(kind, []), list, "stages", name, kind):
                if isinstance(one, dict) and "path" in one:
                    check(one["path"], str, "stages", name, kind, "path")
                    check(one.get("md5", ""), str, "stages", name, kind, "md5")
    return stages  # type: ignore[no-any-return]


def read_stages(file: Path) -> Stages:
    """The stages that a dvc.yaml or dvc.lock holds, none if there is no such file. Raises
    TenchError."""
    if not file.exists():
        return {}
    read = read_lock if file.suffix == ".lock" else read_mapping
    return stages_in(read(file.read_bytes(), file), file)


def find_stage(stage: str) -> dict[str, Any]:
    """A stage as the dvc.yaml of a pipeline has it; empty where none has it. Raises TenchError."""
    for pipeline in PIPELINES:
        if found := read_stages(pipeline).get(stage):
            return found
    return {}


def read_lock_files() -> tuple[Stages, Stages]:
    """The stages of the pipeline itself, and those of the others: raw data and baseline. Raises
    TenchError."""
    main, *rest = (read_stages(pipeline.with_suffix(".lock")) for pipeline in PIPELINES)
    return main, {name: stage for others in rest for name, stage in others.items()}
