"""Input files: named directly, in folders, by patterns, or listed on standard input."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, groupby, takewhile
from pathlib import Path

from tench.data.ingest.file_rules import is_ignored_name

STDIN = "-"
READ_BYTES = 2**16  # bytes read from a list at a time: the capacity of a pipe
BOM = b"\xef\xbb\xbf"  # UTF-8 byte order mark, which Windows writes at the start of a list


def walk_files(folder: Path) -> Iterator[Path]:
    """Iterate over all files below a folder, sorted per folder, then over unreadable folders.

    Hidden files and folders are skipped. Links to folders are not followed.
    """
    unreadable: list[Path] = []

    def record(error: OSError) -> None:
        unreadable.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=record):
        folders[:] = sorted(name for name in folders if not is_ignored_name(name))
        yield from (Path(parent, name) for name in sorted(names) if not is_ignored_name(name))
    yield from unreadable


def is_unreadable_folder(path: Path) -> bool:
    """Whether a path is a folder that cannot be read."""
    try:
        if os.path.isdir(path):  # noqa: PTH112 - Path raises OSError for a name too long
            os.scandir(path).close()
    except OSError:
        return True
    return False


def is_literal_part(part: str, path: str) -> bool:
    """Whether a part has no wildcards, or `path`, which ends in it, exists literally."""
    return not glob.has_magic(part) or os.path.lexists(path)


def match_pattern(pattern: Path) -> list[Path]:
    """Sorted files and folders that match a pattern, and unreadable folders on the way.

    Hidden ones match only by their full name. A part of the pattern that exists literally is not
    treated as a pattern. ** follows no links to folders, which may form a cycle.
    """
    paths = accumulate(pattern.parts, os.path.join)
    literal = [
        part
        for part, _ in takewhile(
            lambda pair: is_literal_part(*pair), zip(pattern.parts, paths, strict=True)
        )
    ]
    rest = [*pattern.parts[len(literal) :], *(["*"] if pattern.name == "**" else [])]
    root = Path(*literal)
    try:
        matches = {str(path) for path in root.glob("/".join(rest))}
        parents = chain([root], *(root.glob("/".join(rest[:n])) for n in range(1, len(rest))))
        matches |= {str(path) for path in parents if is_unreadable_folder(path)}
    except ValueError:  # not a valid pattern, such as a**
        return []
    return [path for path in map(Path, sorted(matches)) if not has_hidden_part(path, root, rest)]


def has_hidden_part(path: Path, root: Path, pattern: list[str]) -> bool:
    """Whether a path below `root` has a hidden part that the pattern does not name."""
    parts = path.relative_to(root).parts
    return any(is_ignored_name(part) and part not in pattern for part in parts)


def expand_arguments(arguments: Iterable[str]) -> Iterator[Path]:
    """Iterate over the files of arguments, in order.

    An argument is a file, a folder (all files below it) or a pattern such as 'a/**/*.jpg'. If
    nothing matches, the argument itself is returned.
    """
    for argument in arguments:
        path = Path(argument)
        # os.path returns False for impossible names, where Path raises OSError
        if os.path.isdir(path):  # noqa: PTH112
            yield from walk_files(path)
        elif not os.path.exists(path) and glob.has_magic(argument):  # noqa: PTH110
            matches = match_pattern(path) or [path]
            yield from (
                match for match in matches if not match.is_dir() or is_unreadable_folder(match)
            )
        else:
            yield path


def read_stdin_lines() -> Iterator[list[str]]:
    """Iterate over the non-empty lines of standard input, in lists that arrived together."""
    rest, mark = b"", BOM
    while content := os.read(sys.stdin.fileno(), READ_BYTES):
        *lines, rest = (rest + content).split(b"\n")
        if lines:
            lines[0], mark = lines[0].removeprefix(mark), b""
        yield [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]
    rest = rest.removeprefix(mark)
    if rest.strip():
        yield [os.fsdecode(rest)]


def argument_batches(arguments: Iterable[str]) -> Iterator[Iterator[Path]]:
    """Iterate over batches of the files of arguments, in order.

    STDIN stands for a list on standard input, one path per line. Its lines form batches as they
    arrive; adjacent other arguments form one batch.
    """
    for is_list, group in groupby(arguments, STDIN.__eq__):
        if is_list:
            yield from (expand_arguments(lines) for lines in read_stdin_lines())
        else:
            yield expand_arguments(list(group))


def count_files(arguments: list[str]) -> int | None:
    """Count the files of arguments; None if they include standard input."""
    return None if STDIN in arguments else sum(1 for _ in expand_arguments(arguments))
