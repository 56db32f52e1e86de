"""Append the project files that a stage opens for reading to the file $OPENED.

Python imports this module at startup if its folder is on PYTHONPATH. It misses files that C++
code opens.
"""

import os
import sys
from pathlib import Path

PROJECT = f"{Path.cwd()}{os.sep}"


def note(event: str, arguments: tuple[object, ...]) -> None:
    """Log a project file opened for reading, as STAGE, tab, path."""
    if event != "open" or isinstance(arguments[0], int):
        return
    name, _, flags = arguments
    file = os.path.abspath(os.fsdecode(name))  # noqa: PTH100 (do not follow links)
    if flags & os.O_ACCMODE == os.O_RDONLY and file.startswith(PROJECT):  # type: ignore[operator]
        os.write(LOG, f"{os.environ['DVC_STAGE']}\t{file.removeprefix(PROJECT)}\n".encode())


if "OPENED" in os.environ and "DVC_STAGE" in os.environ:
    LOG = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    sys.addaudithook(note)
