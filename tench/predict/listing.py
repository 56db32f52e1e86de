"""Which files are meant: by name, by folder, by pattern, or listed on standard input."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tench.intake.files import hidden

STDIN = "-"


def below(folder: Path) -> Iterator[Path]:
    """Every file below a folder but hidden ones, sorted folder by folder; links to folders are not
    followed."""
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not hidden(name))
        yield from (Path(top, name) for name in sorted(names) if not hidden(name))


def pictures(arguments: Iterable[str]) -> Iterator[Path]:
    """The files that arguments name, in their order: a file, a folder (all below it), a pattern
    such as 'a/**/*.jpg', or STDIN (a path a line). What there is not is returned as it is."""
    for argument in arguments:
        path = Path(argument)
        if argument == STDIN:
            yield from pictures(line.rstrip("\n") for line in sys.stdin if line.strip())
        elif path.is_dir():
            yield from below(path)
        elif not path.exists() and glob.has_magic(argument):
            found = [Path(one) for one in sorted(glob.glob(argument, recursive=True))]  # noqa: PTH207
            yield from (one for one in found or [path] if not one.is_dir())
        else:
            yield path


def count(arguments: list[str]) -> int | None:
    """How many they are; None where only reading standard input would tell."""
    return None if STDIN in arguments else sum(1 for _ in pictures(arguments))
