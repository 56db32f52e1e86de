"""Load dvc.lock with PyYAML's C parser, fourteen times as fast as ruamel's Python parser.

Comparing experiments reads the lock file of each. Only DVC writes these files, so they have no
duplicate keys. A test checks that both parsers agree on what DVC writes.
"""

from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

from tench.core.yaml_files import as_mapping, check_bounds, unreadable

MAX_BYTES = 16_000_000
BASES = {"0b": 2, "0o": 8, "0x": 16}


def construct_integer(loader: Any, node: Any) -> int:
    """An integer with a base prefix, or decimal: 010 is ten, as in YAML 1.2."""
    text = node.value.replace("_", "")
    return int(text, BASES.get(text.lstrip("+-")[:2], 10))


class Loader(yaml.CSafeLoader):  # type: ignore[misc] # PyYAML ships no types
    """PyYAML's loader with YAML 1.2 scalars (in PyYAML, 1e-05 is text and `no` is false)."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - overrides PyYAML's attribute


for versions, tag, pattern, first_chars in implicit_resolvers:
    if (1, 2) in versions:
        Loader.add_implicit_resolver(tag, pattern, first_chars)
Loader.add_constructor("tag:yaml.org,2002:int", construct_integer)


def read_lock(text: bytes, source: object) -> dict[str, Any]:
    """Load the mapping in a dvc.lock; {} for an empty file.

    Args:
        text: at most MAX_BYTES bytes.
        source: name of the file, for errors.

    Raises:
        TenchError: the text is not YAML or not a mapping, or exceeds a limit.
    """
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        check_bounds(yaml.parse(text, Loader))
        content = yaml.load(text, Loader)
    except MemoryError:
        raise
    # not only YAMLError: ValueError for the date 2001-99-99, KeyError for !!bool x, …
    except Exception as error:
        raise unreadable(source, error) from None
    return as_mapping(content, source)
