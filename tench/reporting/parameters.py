"""Parameters by key: those that results were made with, those of a commit, and the way between."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tench.console.record import git
from tench.core.errors import TenchError
from tench.core.pipelines import Stages
from tench.core.yaml_files import read_mapping

Key = tuple[str, ...]  # the names of the sections and of the parameter
ABSENT: Any = object()  # the value of what is not there
# What DVC's `-S` takes bare; https://hydra.cc/docs/advanced/override_grammar/basic has the grammar.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_/.-]*")
WORDS = {"true", "false", "null", "nan", "inf"}  # which are not strings


def leaves(content: Mapping[str, Any], before: Key = ()) -> dict[Key, Any]:
    """The values of nested mappings by key; an empty mapping is a value."""
    found: dict[Key, Any] = {}
    for name, value in content.items():
        key = (*before, str(name))
        found |= leaves(value, key) if isinstance(value, dict) and value else {key: value}
    return found


def recorded(stages: Stages, file: Path) -> dict[Key, list[Any]]:
    """The different values that stages were run with of what they name of a parameter file: one
    each, unless some stages are yet to be run again."""
    found: dict[Key, list[Any]] = {}
    for stage in stages.values():
        for name, value in stage.get("params", {}).get(file.as_posix(), {}).items():
            key = tuple(name.split("."))
            values = leaves(value, key) if isinstance(value, dict) and value else {key: value}
            for one, leaf in values.items():
                others = found.setdefault(one, [])
                if repr(leaf) not in map(repr, others):  # 1 is not 1.0, nor True
                    others.append(leaf)
    return found


def committed(file: Path) -> dict[Key, Any]:
    """The values in a file as the commit has it; none if they cannot be read."""
    try:
        return leaves(read_mapping(git("show", f"HEAD:./{file.as_posix()}").encode(), file))
    except TenchError:
        return {}


def named(stages: Stages, file: Path) -> set[Key]:
    """What stages name of a parameter file, sections or values."""
    parts = (stage.get("params", {}).get(file.as_posix(), {}) for stage in stages.values())
    return {tuple(name.split(".")) for part in parts for name in part}


def differences(stages: Stages, file: Path) -> dict[Key, tuple[Any, Any]]:
    """The values in the commit and in the results at hand of what stages name of a parameter file,
    where the two differ."""
    sections = named(stages, file)
    before = {
        key: value
        for key, value in committed(file).items()
        if any(key[: len(section)] == section for section in sections)
    }
    after = {key: values[-1] for key, values in recorded(stages, file).items()}
    both = {key: (before.get(key, ABSENT), after.get(key, ABSENT)) for key in before | after}
    return {key: (old, new) for key, (old, new) in both.items() if repr(old) != repr(new)}


def shown(value: Any) -> str:
    """A value as it may stand in params.yaml, which takes JSON; or that there is none."""
    try:
        return "(none)" if value is ABSENT else json.dumps(value, ensure_ascii=False, default=str)
    except TypeError:  # a list with a mapping whose keys JSON does not have, such as dates
        return repr(value)


def spoken(value: Any) -> str | None:
    """A value as `-S` takes it, or None where it takes no such value."""
    if value == {}:  # which would be merged; Tench takes null for the same
        return "null"
    if value is None or isinstance(value, bool | int):
        return json.dumps(value)
    if isinstance(
        value, float
    ):  # YAML 1.1 takes 1e-05 for text: with a point it is a number in both
        return re.sub(r"^(-?\d+)e", r"\1.0e", repr(value))
    if not isinstance(value, str) or "${" in value or not value.isprintable():
        return None
    if PLAIN.fullmatch(value) and value.lower() not in WORDS:
        return value
    escaped = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + m[2].replace('"', '\\"'), value)
    return f'"{escaped}"'


def related(key: Key, others: Iterable[Key]) -> bool:
    """Whether a key is a section of one of the others or lies in one."""
    return any(key[: len(other)] == other[: len(key)] for other in others)


def settings(found: Mapping[Key, tuple[Any, Any]]) -> tuple[list[str], list[str]]:
    """What makes the commit's parameters those of the results: `-S` options, quoted for a shell;
    and as text what must be changed by hand, since no option can say it.

    Args:
        found: the differences, as `differences` returns them.
    """
    options, by_hand = [], []
    setting = [key for key, (_, new) in found.items() if new is not ABSENT]
    for key, (old, new) in found.items():
        if new is ABSENT and related(key, setting):
            continue  # goes by itself
        value = "" if new is ABSENT else spoken(new)
        if value is None or not all(map(NAME.fullmatch, key)):
            by_hand.append(f"{'.'.join(key)}: {shown(new)}")
        elif new is ABSENT:
            options.append("-S " + shlex.quote(f"~{'.'.join(key)}"))
        else:
            added = "++" if old is ABSENT else ""
            options.append("-S " + shlex.quote(f"{added}{'.'.join(key)}={value}"))
    return options, by_hand
