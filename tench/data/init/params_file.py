"""Writing chosen parameters into params.yaml, comments and all else kept."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tench.data.init.recipe import ParamChoice


class ParamChange(NamedTuple):
    """A parameter, its value before and after, and why."""

    key: str
    old: Any
    new: Any
    reason: str


def apply_choices(text: str, choices: Sequence[ParamChoice]) -> tuple[str, list[ParamChange]]:
    """Set parameters in the text of a params.yaml.

    Args:
        text: of the file.
        choices: what to set; their sections must be there.

    Returns:
        The text, in which nothing but these values differs, and what it was before.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # no line is broken that was whole
    yaml.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load(text)
    changes = []
    for choice in choices:
        *sections, name = choice.key.split(".")
        place = content
        for section in sections:
            place = place[section]
        old = place.get(name)
        changes.append(ParamChange(choice.key, old, choice.value, choice.reason))
        if old != choice.value:
            place[name] = choice.value
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue(), changes
