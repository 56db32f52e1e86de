"""dvc.lock by PyYAML's parser in C, which is fourteen times as fast as ruamel's in Python.

That matters where every experiment's lock file is read. Only DVC writes these files, so duplicate
keys and the like do not occur; a test holds that both parsers read what DVC writes alike.
"""

from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

from tench.core.yaml_files import as_mapping, check_bounds, unreadable

LARGEST = 16_000_000  # bytes
BASES = {"0b": 2, "0o": 8, "0x": 16}


def whole_number(loader: Any, node: Any) -> int:
    """An integer with its base's prefix, or decimal: 010 is ten, as in YAML 1.2."""
    text = node.value.replace("_", "")
    return int(text, BASES.get(text.lstrip("+-")[:2], 10))


class Loader(yaml.CSafeLoader):  # type: ignore[misc] # PyYAML ships no types
    """PyYAML's loader with the scalars of YAML 1.2: to PyYAML 1e-05 is text and `no` is false."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own name and kind


for versions, tag, pattern, beginnings in implicit_resolvers:
    if (1, 2) in versions:
        Loader.add_implicit_resolver(tag, pattern, beginnings)
Loader.add_constructor("tag:yaml.org,2002:int", whole_number)


def read_lock(text: bytes, source: object) -> dict[str, Any]:
    """The mapping in a dvc.lock; {} for an empty file.

    Args:
        text: of at most LARGEST bytes.
        source: name of the file, for errors.

    Raises:
        TenchError: it is not YAML, not a mapping, or too large, deep or repetitive.
    """
    try:
        if len(text) > LARGEST:
            raise ValueError(f"larger than {LARGEST:,} bytes")
        check_bounds(yaml.parse(text, Loader))
        content = yaml.load(text, Loader)
    except MemoryError:
        raise
    # beside YAMLError: ValueError for the date 2001-99-99, KeyError for !!bool x, and more
    except Exception as error:
        raise unreadable(source, error) from None
    return as_mapping(content, source)
