"""The files of a raw folder: which are part of the data, and which names can be kept."""

import os
from collections.abc import Iterable
from pathlib import Path

from tench.core.errors import TenchError
from tench.core.names import is_control, same_name, shown

STRAY = {"thumbs.db", "desktop.ini", "__macosx"}  # file managers' own; hidden files are passed over
SUFFIX = ".webp"  # of prepared copies


def hidden(name: str) -> bool:
    """Whether a file or folder is no part of the data: ._x.jpg, Thumbs.db, __MACOSX, …"""
    return name.startswith(".") or name.lower() in STRAY


def refuse_link(path: Path) -> None:
    """Raise TenchError if a folder is a link, or a file a link to nothing.

    DVC does not look behind a linked folder below data.raw: a change there would go unnoticed.
    Links to files it follows, and so do we.
    """
    if path.is_symlink() and (path.is_dir() or not path.exists()):
        what = "a link to a folder" if path.is_dir() else "a link to nothing"
        raise TenchError(
            f"{path}: {what} ({shown(str(path.readlink()))}); DVC sees no change behind it. Put "
            "the pictures themselves there (cp -rL), or set data.raw to the folder that holds "
            "them: data.raw itself may be a link"
        )


def check_text(path: Path) -> None:
    """Raise TenchError unless a message of one line and the index can hold the path."""
    if any(map(is_control, str(path))):
        raise unfit(path)


def unfit(path: Path) -> TenchError:
    """The error about a name that cannot be kept."""
    return TenchError(
        f"{shown(repr(str(path)))}: a name must be UTF-8 on one line, without control characters, "
        "of a file at most 250 bytes; rename it"
    )


def check_name(file: Path) -> None:
    """Raise TenchError unless the index can hold the path and a prepared copy have the name."""
    check_text(file)
    if len(file.name.encode()) > 255 - len(SUFFIX):
        raise unfit(file)


def visible(folder: Path) -> list[Path]:
    """What is in a folder and part of the data, sorted. Raises TenchError for links and for a name
    that cannot be kept."""
    found = sorted(path for path in folder.iterdir() if not hidden(path.name))
    for path in found:
        check_text(path)
        refuse_link(path)
    return found


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders in a folder, sorted. Raises TenchError as `visible`."""
    return [path.name for path in visible(folder) if path.is_dir()]


def refuse(error: OSError) -> None:
    """Raise the error."""
    raise error


def files_below(folder: Path) -> list[Path]:
    """Every file below a class folder, in no order. Raises TenchError for links, for a name that
    cannot be kept, and for what is no file: reading a pipe would wait for ever. Raises OSError for
    a folder that may not be read, which os.walk would pass over."""
    files = []
    try:
        for top, folders, names in os.walk(folder, onerror=refuse):
            folders[:] = [name for name in folders if not hidden(name)]
            for name in folders:
                check_text(Path(top, name))
                refuse_link(Path(top, name))
            for file in (Path(top, name) for name in names if not hidden(name)):
                check_name(file)
                refuse_link(file)
                if not file.is_file():
                    raise TenchError(f"{file}: neither a file nor a folder; remove it")
                files.append(file)
    except RecursionError:  # of os.walk, before Python 3.12
        raise TenchError(f"{folder}: folders lie hundreds deep in it; move them up") from None
    return files


def told_apart(files: Iterable[Path], top: Path) -> dict[Path, str]:
    """Files of one class on one side, sorted by name, each with the folders that its prepared copy
    lies in below that of the class: those below `top` ("deep/") where another file has its name,
    else none ("").

    Raises:
        TenchError: two copies would have one path: their files are equal but for case or Unicode
            composition, or a folder is called like a prepared picture.
    """
    paths: dict[tuple[str, str], Path] = {}
    called: dict[str, int] = {}
    for file in files:
        name = same_name(file.name)
        called[name] = called.get(name, 0) + 1
        other = paths.setdefault((name, same_name(file.relative_to(top).as_posix())), file)
        if other != file:
            first, second = sorted((other, file))
            raise TenchError(
                f"{first} and {second}: the same file name twice in a class, but for case or "
                "Unicode composition; rename one"
            )
    result = {}
    for (name, _), file in sorted(paths.items()):
        parts = file.relative_to(top).parts[:-1] if called[name] > 1 else ()
        if any(same_name(part).endswith(SUFFIX) for part in parts):
            raise TenchError(f"{file.parent}: a folder must not be called *{SUFFIX}; rename it")
        result[file] = "".join(f"{part}/" for part in parts)
    return result
