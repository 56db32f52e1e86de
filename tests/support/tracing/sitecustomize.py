"""In a stage of a traced run: append which files of the project it opens for reading to $OPENED.

Python imports this by itself where its folder is on PYTHONPATH. Files that C++ opens are not seen.
"""

import os
import sys
from pathlib import Path

PROJECT = f"{Path.cwd()}{os.sep}"


def note(event: str, arguments: tuple[object, ...]) -> None:
    """Write down a file of the project that is opened for reading, as STAGE, tab, path."""
    if event != "open" or isinstance(arguments[0], int):
        return
    name, _, flags = arguments
    file = os.path.abspath(os.fsdecode(name))  # noqa: PTH100 (no link is followed)
    if flags & os.O_ACCMODE == os.O_RDONLY and file.startswith(PROJECT):  # type: ignore[operator]
        os.write(LOG, f"{os.environ['DVC_STAGE']}\t{file.removeprefix(PROJECT)}\n".encode())


if "OPENED" in os.environ and "DVC_STAGE" in os.environ:
    LOG = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(note)
