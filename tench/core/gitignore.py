"""Patterns for .gitignore."""

import re
from pathlib import Path

GITIGNORE = Path(".gitignore")
SPECIAL = re.compile(r"[\\*?\[]| +$")  # parts of a file name with a special meaning in a pattern


def ignore_line(path: Path) -> str:
    """The pattern that matches this path, relative to the .gitignore, and nothing else.

    It has no trailing slash, so that it also matches a link to a folder.
    """
    return "/" + SPECIAL.sub(lambda part: "".join(f"\\{c}" for c in part[0]), path.as_posix())
