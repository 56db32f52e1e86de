"""The files of a raw folder: which are part of the data, and which names can be kept."""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tench.core.errors import TenchError
from tench.core.names import (
    escape_formula_path,
    is_control_character,
    is_formula,
    is_ignored_by_dvc,
    normalize_name,
    printable,
)

# file managers' own (of macOS, the icon of a folder ends its line); hidden files are passed over
SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}
PREPARED_SUFFIX = ".webp"  # of prepared copies
MAX_PATH_BYTES = (
    1_000  # bytes of a path below data.raw: Linux ends at 4,096, and Python at 1,000 folders
)
SPECIAL_FILE_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_ignored_name(name: str) -> bool:
    """Whether a file or folder is no part of the data: ._x.jpg, Thumbs.db, dvc.yaml, …"""
    return name.startswith(".") or name.lower() in SYSTEM_FILES or is_ignored_by_dvc(Path(name))


def in_circle(path: Path) -> bool:
    """Whether a link leads back to itself."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def check_not_link(path: Path) -> None:
    """Raise TenchError if a folder is a link, or a file a link to nothing or in a circle.

    DVC does not look behind a linked folder below data.raw: a change there would go unnoticed.
    Links to files it follows, wherever they lead, and so do we.
    """
    if not path.is_symlink() or path.is_file():
        return
    target = printable(str(path.readlink()))
    if path.is_dir():
        raise TenchError(
            f"{printable(str(path))}: a link to a folder ({target}); DVC sees no change behind it. Put "
            "the images themselves there (cp -rL), or set data.raw to the folder that holds them: "
            "data.raw itself may be a link"
        )
    if not path.exists():
        what = "a link in a circle" if in_circle(path) else "a link to nothing"
        raise TenchError(
            f"{printable(str(path))}: {what} ({target}), on which DVC stops. Remove it, or put the "
            "image itself there"
        )


def check_file_kind(path: Path) -> None:
    """Raise TenchError if a path is neither a folder nor a file, nor leads to one: DVC, which reads
    all that is below data.raw, would wait for a pipe or a device for ever."""
    if path.is_dir():
        return
    check_not_link(path)
    kind = SPECIAL_FILE_KINDS.get(stat.S_IFMT(path.stat().st_mode))
    if kind:
        raise TenchError(
            f"{printable(str(path))}: {kind}, no file; DVC would wait for it for ever: remove it"
        )


def check_encodable(path: Path) -> None:
    """Raise TenchError unless a path can be shown in a line and kept in UTF-8."""
    if any(map(is_control_character, str(path))):
        raise TenchError(
            f"{printable(repr(str(path)))}: a name must be UTF-8 on one line, without control "
            "characters; rename it"
        )


def check_file_name(file: Path, raw: Path) -> None:
    """Raise TenchError unless tables can hold the path of a file below `raw`, and a prepared copy
    have its name."""
    check_encodable(file)
    if len(file.name.encode()) > 255 - len(PREPARED_SUFFIX):
        raise TenchError(f"{file}: a file's name may have 250 bytes at most; rename it")
    if is_formula(escape_formula_path(file.relative_to(raw).as_posix())):
        raise TenchError(
            f"{file}: what stands behind the semicolon, a spreadsheet takes for a formula; rename "
            "it"
        )


def check_raw_tree(raw: Path) -> None:
    """Check everything below a folder, hidden files too, for what DVC cannot read: it reads all of
    it before `prepare` begins.

    Raises:
        TenchError: for a pipe, a socket, a device, a link to nothing or in a circle, and for a path
            that is not UTF-8 or longer than LONGEST.
        OSError: a folder cannot be read.
    """
    most = len(os.fsencode(raw)) + 1 + MAX_PATH_BYTES
    folders = [str(raw)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            try:
                long = len(entry.path.encode()) > most
            except UnicodeEncodeError:
                check_encodable(Path(entry.path))
                raise
            if long:
                raise TenchError(
                    f"{entry.path[:100]!r}…: a path below {raw} may have {MAX_PATH_BYTES} bytes; move it "
                    "up"
                )
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_symlink() or not entry.is_file():
                check_file_kind(Path(entry.path))


def list_data_entries(folder: Path) -> list[Path]:
    """What is in a folder and part of the data, sorted. Raises TenchError for a name that cannot be
    shown."""
    found = sorted(path for path in folder.iterdir() if not is_ignored_name(path.name))
    for path in found:
        check_encodable(path)
    return found


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders in a folder, sorted. Raises TenchError for links and names
    that cannot be shown."""
    found = list_data_entries(folder)
    for path in found:
        check_not_link(path)
    return [path.name for path in found if path.is_dir()]


def list_class_files(folder: Path, raw: Path) -> list[Path]:
    """Every file below a class folder of `raw`, folder by folder. Raises TenchError for links and
    for a name that cannot be kept."""
    files = []
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_ignored_name(name))
        for below in (Path(top, name) for name in folders):
            check_encodable(below)
            check_not_link(below)
        for file in (Path(top, name) for name in sorted(names) if not is_ignored_name(name)):
            check_file_name(file, raw)
            check_not_link(file)
            files.append(file)
    return files


def disambiguating_folders(files: Iterable[Path], top: Path) -> dict[Path, str]:
    """Files of one class on one side, sorted by name, each with the folders that its prepared copy
    lies in below that of the class: those below `top` ("deep/") where another file has its name,
    else none ("").

    Raises:
        TenchError: two copies would have one path: their files are equal but for case or Unicode
            composition, or a folder is called like a prepared image.
    """
    paths: dict[tuple[str, str], Path] = {}
    called: dict[str, int] = {}
    for file in files:
        name = normalize_name(file.name)
        called[name] = called.get(name, 0) + 1
        other = paths.setdefault((name, normalize_name(file.relative_to(top).as_posix())), file)
        if other != file:
            first, second = sorted((other, file))
            raise TenchError(
                f"{first} and {second}: the same file name twice in a class, but for case or "
                "Unicode composition; rename one"
            )
    result = {}
    for (name, _), file in sorted(paths.items()):
        parts = file.relative_to(top).parts[:-1] if called[name] > 1 else ()
        if any(normalize_name(part).endswith(PREPARED_SUFFIX) for part in parts):
            raise TenchError(
                f"{file.parent}: a folder must not be called *{PREPARED_SUFFIX}; rename it"
            )
        result[file] = "".join(f"{part}/" for part in parts)
    return result
