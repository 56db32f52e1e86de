"""Parameters by key: those that results were made with, those of a commit, and the differences."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.yaml_files import read_mapping
from tench.run.dvc_files import Stages
from tench.run.record import git_output

Key = tuple[str, ...]  # the names of the sections and of the parameter
ABSENT: Any = object()  # the value of what is not there


def flatten(content: Mapping[str, Any], before: Key = ()) -> dict[Key, Any]:
    """The values of nested mappings by key; an empty mapping is a value."""
    found: dict[Key, Any] = {}
    for name, value in content.items():
        key = (*before, str(name))
        found |= flatten(value, key) if isinstance(value, dict) and value else {key: value}
    return found


def recorded_values(stages: Stages, file: Path) -> dict[Key, list[Any]]:
    """The different values that stages were run with of what they name of a parameter file: one
    each, unless some stages are yet to be run again."""
    found: dict[Key, list[Any]] = {}
    for stage in stages.values():
        for name, value in stage.get("params", {}).get(file.as_posix(), {}).items():
            key = tuple(name.split("."))
            values = flatten(value, key) if isinstance(value, dict) and value else {key: value}
            for one, leaf in values.items():
                others = found.setdefault(one, [])
                if repr(leaf) not in map(repr, others):  # 1 is not 1.0, nor True
                    others.append(leaf)
    return found


def committed_values(file: Path) -> dict[Key, Any]:
    """The values in a file as the commit has it; none if they cannot be read."""
    try:
        return flatten(read_mapping(git_output("show", f"HEAD:./{file.as_posix()}").encode(), file))
    except TenchError:
        return {}


def tracked_keys(stages: Stages, file: Path) -> set[Key]:
    """What stages name of a parameter file, sections or values."""
    parts = (stage.get("params", {}).get(file.as_posix(), {}) for stage in stages.values())
    return {tuple(name.split(".")) for part in parts for name in part}


def changed_values(stages: Stages, file: Path) -> dict[Key, tuple[Any, Any]]:
    """The values in the commit and in the results at hand of what stages name of a parameter file,
    where the two differ."""
    sections = tracked_keys(stages, file)
    before = {
        key: value
        for key, value in committed_values(file).items()
        if any(key[: len(section)] == section for section in sections)
    }
    after = {key: values[-1] for key, values in recorded_values(stages, file).items()}
    both = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in before | after}
    return {key: (old, new) for key, (old, new) in both.items() if repr(old) != repr(new)}


def yaml_value(value: Any) -> str:
    """A value as it may stand in params.yaml, which takes JSON; or that there is none."""
    try:
        return "(none)" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    except TypeError:  # a list with a mapping whose keys JSON does not have, such as dates
        return repr(value)
