"""Which files are meant: by name, by folder, by pattern, or listed on standard input."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from itertools import accumulate, chain, groupby, takewhile
from pathlib import Path

from tench.data.ingest.file_rules import is_ignored_name

STDIN = "-"
READ_BYTES = 2**16  # bytes of a list read at a time: what a pipe holds


BOM = b"\xef\xbb\xbf"  # with which Windows begins a list in UTF-8


def walk_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder but hidden ones, sorted folder by folder, and last each folder that
    cannot be read; links to folders are not followed."""
    closed: list[Path] = []

    def note(error: OSError) -> None:
        closed.append(Path(error.filename))

    for top, folders, names in os.walk(folder, onerror=note):
        folders[:] = sorted(name for name in folders if not is_ignored_name(name))
        yield from (Path(top, name) for name in sorted(names) if not is_ignored_name(name))
    yield from closed


def is_closed(path: Path) -> bool:
    """Whether it is a folder that cannot be read."""
    try:
        if os.path.isdir(path):  # noqa: PTH112 - Path raises OSError for a name too long
            os.scandir(path).close()
    except OSError:
        return True
    return False


def is_plain(part: tuple[str, str]) -> bool:
    """Whether a part of a path, given with the path that ends in it, is no pattern: it has no
    wildcards, or something is called so."""
    return not glob.has_magic(part[0]) or os.path.lexists(part[1])


def match_pattern(pattern: Path) -> list[Path]:
    """The files and folders that a pattern names, sorted, and the folders on the way that cannot be
    read; hidden ones only by their name. A part that exists by its name is no pattern. Behind ** no
    link to a folder is followed: it may lead in a circle."""
    ways = zip(pattern.parts, accumulate(pattern.parts, os.path.join), strict=True)
    plain = [part for part, _ in takewhile(is_plain, ways)]
    rest = [*pattern.parts[len(plain) :], *(["*"] if pattern.name == "**" else [])]
    top = Path(*plain)
    try:
        found = {str(one) for one in top.glob("/".join(rest))}
        above = chain([top], *(top.glob("/".join(rest[:n])) for n in range(1, len(rest))))
        found |= {str(one) for one in above if is_closed(one)}
    except ValueError:  # no pattern, such as a**
        return []
    shown = (Path(one) for one in sorted(found))
    return [
        one
        for one in shown
        if not any(
            is_ignored_name(part) and part not in rest for part in one.relative_to(top).parts
        )
    ]


def expand_arguments(arguments: Iterable[str]) -> Iterator[Path]:
    """The files that arguments name, in their order: a file, a folder (all below it), a pattern
    such as 'a/**/*.jpg'. What there is not is returned as it is."""
    for argument in arguments:
        path = Path(argument)
        # of a name that no file can have, os.path says no, and Path raises OSError
        if os.path.isdir(path):  # noqa: PTH112
            yield from walk_files(path)
        elif not os.path.exists(path) and glob.has_magic(argument):  # noqa: PTH110
            yield from (
                one for one in match_pattern(path) or [path] if not one.is_dir() or is_closed(one)
            )
        else:
            yield path


def read_stdin_lines() -> Iterator[list[str]]:
    """The lines on standard input but empty ones, those together that have arrived together."""
    rest, mark = b"", BOM
    while some := os.read(sys.stdin.fileno(), READ_BYTES):
        *lines, rest = (rest + some).split(b"\n")
        if lines:
            lines[0], mark = lines[0].removeprefix(mark), b""
        yield [os.fsdecode(line.rstrip(b"\r")) for line in lines if line.strip()]
    rest = rest.removeprefix(mark)
    if rest.strip():
        yield [os.fsdecode(rest)]


def argument_batches(arguments: Iterable[str]) -> Iterator[Iterator[Path]]:
    """The files that arguments name, as of `images`, in their order; at STDIN, those of a list
    there (a path a line) as they arrive, all others together."""
    for is_list, some in groupby(arguments, STDIN.__eq__):
        if is_list:
            yield from (expand_arguments(lines) for lines in read_stdin_lines())
        else:
            yield expand_arguments(list(some))


def count_files(arguments: list[str]) -> int | None:
    """How many they are; None where only reading standard input would tell."""
    return None if STDIN in arguments else sum(1 for _ in expand_arguments(arguments))
