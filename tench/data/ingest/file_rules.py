"""Rules for files below data.raw: which are ignored, and which names are allowed."""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tench.core.errors import TenchError
from tench.core.names import (
    is_control_character,
    is_ignored_by_dvc,
    normalize_name,
    printable,
)

# written by file managers; the name of a folder's icon on macOS ends with a carriage return
SYSTEM_FILES = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}
PREPARED_SUFFIX = ".webp"
# Of a path below data.raw. Linux allows 4,096 bytes, and Python fails at 1,000 nested folders.
MAX_PATH_BYTES = 1_000
SPECIAL_FILE_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def is_ignored_name(name: str) -> bool:
    """Whether a file or folder is not part of the data, such as ._x.jpg, Thumbs.db or dvc.yaml."""
    return name.startswith(".") or name.lower() in SYSTEM_FILES or is_ignored_by_dvc(Path(name))


def is_circular_link(path: Path) -> bool:
    """Whether a symbolic link leads back to itself."""
    try:
        path.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def check_not_link(path: Path) -> None:
    """Raise TenchError if a path is a link to a folder, to nothing, or in a circle.

    DVC does not follow links to folders below data.raw, so it would miss changes there. It does
    follow links to files, and so does Tench.
    """
    if not path.is_symlink() or path.is_file():
        return
    target = printable(str(path.readlink()))
    if path.is_dir():
        raise TenchError(
            f"{printable(str(path))}: a link to a folder ({target}), where DVC misses changes. "
            "Copy the images there (cp -rL), or set data.raw to the folder that contains them: "
            "data.raw itself may be a link"
        )
    if not path.exists():
        what = "a circular link" if is_circular_link(path) else "a broken link"
        raise TenchError(
            f"{printable(str(path))}: {what} ({target}), where DVC fails. Remove it, or replace it "
            "with the image"
        )


def check_file_kind(path: Path) -> None:
    """Raise TenchError if a path is neither a file nor a folder, nor a link to a file.

    DVC reads everything below data.raw, and would wait forever for a pipe or a device.
    """
    if path.is_dir():
        return
    check_not_link(path)
    kind = SPECIAL_FILE_KINDS.get(stat.S_IFMT(path.stat().st_mode))
    if kind:
        raise TenchError(
            f"{printable(str(path))}: {kind}, not a file; DVC would wait forever: remove it"
        )


def check_encodable(path: Path) -> None:
    """Raise TenchError unless a path is valid UTF-8 without control characters."""
    if any(map(is_control_character, str(path))):
        raise TenchError(
            f"{printable(repr(str(path)))}: a name must be UTF-8 on one line, without control "
            "characters; rename it"
        )


def check_file_name(file: Path) -> None:
    """Raise TenchError unless a prepared image can have the name of this raw file."""
    check_encodable(file)
    if len(file.name.encode()) > 255 - len(PREPARED_SUFFIX):
        raise TenchError(f"{file}: the file name is longer than 250 bytes; rename it")


def check_raw_tree(raw: Path) -> None:
    """Check that DVC can read everything below a folder, including hidden files.

    DVC reads all of it before `prepare` starts.

    Raises:
        TenchError: a pipe, a socket, a device, a broken or circular link, a path that is not
            UTF-8, or one of more than MAX_PATH_BYTES.
        OSError: a folder is unreadable.
    """
    max_bytes = len(os.fsencode(raw)) + 1 + MAX_PATH_BYTES
    folders = [str(raw)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            in_order = sorted(entries, key=lambda entry: entry.name)
        for entry in in_order:
            try:
                too_long = len(entry.path.encode()) > max_bytes
            except UnicodeEncodeError:
                check_encodable(Path(entry.path))
                raise
            if too_long:
                raise TenchError(
                    f"{entry.path[:100]!r}…: a path below {raw} may have {MAX_PATH_BYTES} bytes; "
                    "move it up"
                )
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_symlink() or not entry.is_file():
                check_file_kind(Path(entry.path))


def list_data_entries(folder: Path) -> list[Path]:
    """Files and folders in a folder that are part of the data, sorted.

    Raises TenchError for a name that is not valid UTF-8 or has control characters.
    """
    entries = sorted(path for path in folder.iterdir() if not is_ignored_name(path.name))
    for path in entries:
        check_encodable(path)
    return entries


def class_folders(folder: Path) -> list[str]:
    """Names of the class folders in a folder, sorted. Raises TenchError for links and bad names."""
    entries = list_data_entries(folder)
    for path in entries:
        check_not_link(path)
    return [path.name for path in entries if path.is_dir()]


def list_class_files(folder: Path) -> list[Path]:
    """All files below a class folder, sorted by folder. Raises TenchError for links, bad names."""
    files = []
    for top, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_ignored_name(name))
        for below in (Path(top, name) for name in folders):
            check_encodable(below)
            check_not_link(below)
        for file in (Path(top, name) for name in sorted(names) if not is_ignored_name(name)):
            check_file_name(file)
            check_not_link(file)
            files.append(file)
    return files


def disambiguating_folders(files: Iterable[Path], top: Path) -> dict[Path, str]:
    """Subfolders that keep prepared images with equal file names apart.

    Args:
        files: raw files of one class and split.
        top: folder of the class.

    Returns:
        File to subfolder, sorted by file name: the path below `top` ("deep/") if another file has
        the same name, else "".

    Raises:
        TenchError: two prepared images would have the same path: their paths differ only in case or
            Unicode composition, or a folder is named like a prepared image.
    """
    paths: dict[tuple[str, str], Path] = {}
    name_counts: Counter[str] = Counter()
    for file in files:
        name = normalize_name(file.name)
        name_counts[name] += 1
        other = paths.setdefault((name, normalize_name(file.relative_to(top).as_posix())), file)
        if other != file:
            first, second = sorted((other, file))
            raise TenchError(
                f"{first} and {second}: these file names differ only in case or "
                "Unicode composition; rename one"
            )
    result = {}
    for (name, _), file in sorted(paths.items()):
        parts = file.relative_to(top).parts[:-1] if name_counts[name] > 1 else ()
        if any(normalize_name(part).endswith(PREPARED_SUFFIX) for part in parts):
            raise TenchError(
                f"{file.parent}: a folder must not be named *{PREPARED_SUFFIX}; rename it"
            )
        result[file] = "".join(f"{part}/" for part in parts)
    return result
