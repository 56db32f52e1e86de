"""Parameters of locked results and of a commit, and their differences."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.yaml_files import read_mapping
from tench.run.dvc_files import Stages
from tench.run.record import git_output

Key = tuple[str, ...]  # section names and parameter name
ABSENT: Any = object()  # the value of a missing parameter


def flatten(content: Mapping[str, Any], prefix: Key = ()) -> dict[Key, Any]:
    """Flatten nested mappings to a value per key; an empty mapping is a value."""
    flat: dict[Key, Any] = {}
    for name, value in content.items():
        key = (*prefix, str(name))
        flat |= flatten(value, key) if isinstance(value, dict) and value else {key: value}
    return flat


def recorded_values(stages: Stages, file: Path) -> dict[Key, list[Any]]:
    """Return the distinct values of each parameter that stages last ran with.

    A parameter has several values if some stages have not been run since it changed.
    """
    recorded: dict[Key, list[Any]] = {}
    for stage in stages.values():
        for name, section in stage.get("params", {}).get(file.as_posix(), {}).items():
            prefix = tuple(name.split("."))
            nested = isinstance(section, dict) and section
            values = flatten(section, prefix) if nested else {prefix: section}
            for key, value in values.items():
                distinct = recorded.setdefault(key, [])
                if repr(value) not in map(repr, distinct):  # 1, 1.0 and True are distinct
                    distinct.append(value)
    return recorded


def committed_values(file: Path) -> dict[Key, Any]:
    """Return the values of a file in the commit; empty if it cannot be read."""
    try:
        return flatten(read_mapping(git_output("show", f"HEAD:./{file.as_posix()}").encode(), file))
    except TenchError:
        return {}


def tracked_keys(stages: Stages, file: Path) -> set[Key]:
    """Return the keys of a parameter file that stages depend on: sections or parameters."""
    parts = (stage.get("params", {}).get(file.as_posix(), {}) for stage in stages.values())
    return {tuple(name.split(".")) for part in parts for name in part}


def changed_values(stages: Stages, file: Path) -> dict[Key, tuple[Any, Any]]:
    """Return (committed, recorded) values of parameters that differ from the commit."""
    sections = tracked_keys(stages, file)
    before = {
        key: value
        for key, value in committed_values(file).items()
        if any(key[: len(section)] == section for section in sections)
    }
    after = {key: values[-1] for key, values in recorded_values(stages, file).items()}
    pairs = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in before | after}
    return {key: (old, new) for key, (old, new) in pairs.items() if repr(old) != repr(new)}


def yaml_value(value: Any) -> str:
    """Format a value as JSON, which is valid in params.yaml, or "(none)" if absent."""
    try:
        return "(none)" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    except TypeError:  # a nested mapping has keys that JSON does not support, such as dates
        return repr(value)
