"""Load YAML 1.2 with ruamel's Python parser, as DVC does for params.yaml and dvc.yaml."""

import re
from collections.abc import Iterable
from typing import Any

from ruamel.yaml import YAML

from tench.core.errors import TenchError
from tench.core.names import printable

MAX_BYTES = 1_000_000  # the Python parser takes ten seconds for this many
MAX_DEPTH = 100  # nested mappings and lists; parsers recurse, and 30,000 crash the process
MAX_VALUES = 1_000_000  # with aliases expanded: nine lines can expand to 10^9 values
MAX_INTEGER_CHARS = 1_000  # Python refuses to print integers of more than 4,300 digits
INTEGER = re.compile(r"[-+]?(0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)")


def check_bounds(events: Iterable[Any]) -> None:
    """Check, before a YAML file is loaded, that loading it takes little memory and time.

    Args:
        events: parser events of PyYAML or ruamel, which use the same class names. Parsers yield
            them without recursion, so that a hostile file is refused at the first violation.

    Raises:
        ValueError: the file is nested too deeply, its aliases expand to too many values, an alias
            contains itself, or an integer is too long.
    """
    opened: list[tuple[str | None, int]] = []  # anchor of each open collection, values before it
    anchored: dict[str, int | None] = {}  # number of values of each anchor; None while it is open
    count = 0
    for event in events:
        kind, anchor = type(event).__name__, getattr(event, "anchor", None)
        if kind in {"MappingStartEvent", "SequenceStartEvent"}:
            if len(opened) == MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
            opened.append((anchor, count))
            count += 1
            if anchor:
                anchored[anchor] = None
        elif kind in {"MappingEndEvent", "SequenceEndEvent"}:
            anchor, before = opened.pop()
            if anchor:
                anchored[anchor] = count - before
        elif kind == "ScalarEvent":
            if is_long_integer(event):
                raise ValueError(f"an integer of more than {MAX_INTEGER_CHARS:,} characters")
            count += 1
            if anchor:
                anchored[anchor] = 1
        elif kind == "AliasEvent":
            size = anchored.get(anchor or "", 1)
            if size is None:
                raise ValueError(f"*{anchor} contains itself")
            count += size
        if count > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values with aliases expanded")


def is_long_integer(event: Any) -> bool:
    """Whether a scalar is an integer of more than MAX_INTEGER_CHARS characters."""
    if len(event.value) <= MAX_INTEGER_CHARS or not INTEGER.fullmatch(event.value):
        return False
    # a plain scalar (style None in ruamel, "" in PyYAML), or any that is tagged !!int
    return str(event.tag).endswith(":int") if event.tag else not event.style


def unreadable(source: object, error: Exception) -> TenchError:
    """The one-line error for a file that cannot be parsed."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return TenchError(f"{source}: not readable as YAML: {printable(reason)}")


def load_yaml(text: bytes | str, source: object) -> Any:
    """Load a YAML document as plain Python objects; None if it is empty.

    Args:
        text: at most MAX_BYTES bytes.
        source: name of the file, for errors.

    Raises:
        TenchError: the text is not YAML, or exceeds a limit.
    """
    try:
        if len(text) > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        # pure: ruamel's C parser recurses without a limit
        check_bounds(YAML(typ="safe", pure=True).parse(text))
        return YAML(typ="safe", pure=True).load(text)
    except MemoryError:
        raise
    # not only YAMLError: ValueError for the date 2001-99-99, KeyError for !!bool x, …
    except Exception as error:
        raise unreadable(source, error) from None


def as_mapping(content: Any, source: object) -> dict[str, Any]:
    """Return `content` if it is a mapping, {} if it is None. Raises TenchError otherwise."""
    if content is not None and not isinstance(content, dict):
        raise TenchError(f"{source}: must be a mapping")
    return content or {}


def read_mapping(text: bytes, source: object) -> dict[str, Any]:
    """Load a YAML mapping with `load_yaml`; {} for an empty file. Raises TenchError."""
    return as_mapping(load_yaml(text, source), source)
