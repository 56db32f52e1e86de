"""Lines of .gitignore."""

import re
from pathlib import Path

GITIGNORE = Path(".gitignore")
SPECIAL = re.compile(r"[\\*?\[]| +$")  # parts of a file name that mean something else there


def ignore_line(path: Path) -> str:
    """The line that matches a path, relative to the folder of the .gitignore, and no other.

    It has no slash at its end, so that it matches a link to a folder too.
    """
    return "/" + SPECIAL.sub(lambda part: "".join(f"\\{c}" for c in part[0]), path.as_posix())
