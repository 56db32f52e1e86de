"""Set values in params.yaml; comments and layout stay unchanged."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tench.data.init.recipe import ParamChoice


class ParamChange(NamedTuple):
    """A parameter, its old and new value, and the reason."""

    key: str
    old: Any
    new: Any
    reason: str


def apply_choices(text: str, choices: Sequence[ParamChoice]) -> tuple[str, list[ParamChange]]:
    """Set parameters in the text of a params.yaml.

    Args:
        text: content of the file.
        choices: values to set; their sections must exist.

    Returns:
        The new text, which differs in these values only, and one entry per choice.
    """
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # never wrap a line
    yaml.representer.add_representer(
        type(None), lambda to, _: to.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    content = yaml.load(text)
    changes = []
    for choice in choices:
        *sections, name = choice.key.split(".")
        section = content
        for key in sections:
            section = section[key]
        old = section.get(name)
        changes.append(ParamChange(choice.key, old, choice.value, choice.reason))
        if old != choice.value:
            section[name] = choice.value
    out = io.StringIO()
    yaml.dump(content, out)
    return out.getvalue(), changes
