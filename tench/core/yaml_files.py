"""YAML 1.2 by ruamel's parser in Python, as DVC reads params.yaml and dvc.yaml."""

from collections.abc import Iterable
from typing import Any

from ruamel.yaml import YAML

from tench.core.errors import TenchError
from tench.core.names import printable

LARGEST = 1_000_000  # bytes; a parser in Python takes ten seconds for these
DEEPEST = 100  # levels of mappings and lists; a parser recurses, and 30,000 end the process
MOST_VALUES = 1_000_000  # with each alias as all it stands for: nine lines can stand for 10^9


def check_bounds(events: Iterable[Any]) -> None:
    """Check that a YAML file can be loaded in little memory and time, before it is loaded.

    Args:
        events: of a parser of PyYAML or ruamel, which call them by the same names. They come one by
            one and without recursion, so that a hostile file is refused at its first excess.

    Raises:
        ValueError: the file is nested too deeply, its aliases stand for too much, or one contains
            itself.
    """
    opened: list[tuple[str | None, int]] = []  # of each collection: its anchor, values before it
    anchored: dict[str, int | None] = {}  # values that an alias stands for; None while it is open
    count = 0
    for event in events:
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            if len(opened) == DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} levels deep")
            opened.append((anchor, count))
            count += 1
            if anchor:
                anchored[anchor] = None
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            anchor, before = opened.pop()
            if anchor:
                anchored[anchor] = count - before
        elif kind == "ScalarEvent":
            count += 1
            if anchor:
                anchored[anchor] = 1
        elif kind == "AliasEvent":
            size = anchored.get(anchor or "", 1)
            if size is None:
                raise ValueError(f"*{anchor} contains itself")
            count += size
        if count > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES:,} values, counting what aliases repeat")


def unreadable(source: object, error: Exception) -> TenchError:
    """The error for a file that a YAML parser refuses, on one line."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return TenchError(f"{source}: not readable as YAML: {printable(reason)}")


def load_yaml(text: bytes | str, source: object) -> Any:
    """The content of a YAML file, in Python's own types; None if it is empty.

    Args:
        text: of at most LARGEST bytes.
        source: name of the file, for errors.

    Raises:
        TenchError: it is not YAML, or too large, deep or repetitive.
    """
    try:
        if len(text) > LARGEST:
            raise ValueError(f"larger than {LARGEST:,} bytes")
        # pure, since ruamel's parser in C recurses without a limit
        check_bounds(YAML(typ="safe", pure=True).parse(text))
        return YAML(typ="safe", pure=True).load(text)
    except MemoryError:
        raise
    # beside YAMLError: ValueError for the date 2001-99-99, KeyError for !!bool x, RecursionError, …
    except Exception as error:
        raise unreadable(source, error) from None


def as_mapping(content: Any, source: object) -> dict[str, Any]:
    """`content` as a mapping, None as an empty one. Raises TenchError for anything else."""
    if content is not None and not isinstance(content, dict):
        raise TenchError(f"{source}: must be a mapping")
    return content or {}


def read_mapping(text: bytes, source: object) -> dict[str, Any]:
    """A YAML mapping, as `load_yaml` reads it; {} for an empty file. Raises TenchError."""
    return as_mapping(load_yaml(text, source), source)
