"""What a raw picture folder holds: its classes and files, checked before anything is read."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import class_name, is_control, same_name

STRAY = {"thumbs.db", "desktop.ini"}  # left by file managers; hidden files are passed over too


class Source(NamedTuple):
    """One file of a raw folder."""

    folder: str  # "train" or "val"
    class_name: str
    file: Path


def hidden(name: str) -> bool:
    """Whether a file or folder is no part of the data: .DS_Store, ._x.jpg, Thumbs.db, …"""
    return name.startswith(".") or name.lower() in STRAY


def refuse_link(path: Path) -> None:
    """Raise TenchError if a folder is a link, or a file a link to nothing.

    DVC does not look behind a linked folder below data.raw: a change there would go unnoticed.
    Links to files it follows, and so do we.
    """
    if path.is_symlink() and (path.is_dir() or not path.exists()):
        what = "a link to a folder" if path.is_dir() else "a link to nothing"
        raise TenchError(
            f"{path}: {what} ({path.readlink()}); DVC sees no change behind it. Put the pictures "
            "themselves there (cp -rL), or set data.raw to the folder that holds them: data.raw "
            "itself may be a link"
        )


def class_folders(folder: Path) -> list[str]:
    """The names of the class folders of train/ or val/, sorted. Raises TenchError."""
    found = [path for path in folder.iterdir() if not hidden(path.name)]
    for path in found:
        refuse_link(path)
    return sorted(path.name for path in found if path.is_dir())


def check_name(file: Path) -> None:
    """Raise TenchError unless the index can hold the path and a prepared copy have the name."""
    try:
        str(file).encode()
        fits = len(file.name.encode()) <= 250  # of 255, .webp takes five
    except UnicodeEncodeError:
        fits = False
    if not fits or any(map(is_control, str(file))):
        raise TenchError(
            f"{str(file)!r}: a name must be UTF-8 on one line, without control characters, of a "
            "file at most 250 bytes; rename it"
        )


def class_files(folder: Path) -> list[Path]:
    """Every file below a class folder, sorted by name.

    Raises:
        TenchError: two files would get one name (equal but for case or Unicode composition), or a
            name cannot be kept.
    """
    files: dict[str, Path] = {}
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not hidden(name)]
        for name in folders:
            refuse_link(Path(top, name))
        for name in names:
            if hidden(name):
                continue
            file = Path(top, name)
            check_name(file)
            refuse_link(file)
            other = files.setdefault(same_name(name), file)
            if other != file:
                first, second = sorted((other, file))
                raise TenchError(
                    f"{first} and {second}: the same file name twice in a class; rename one"
                )
    return [files[key] for key in sorted(files)]


def same_classes(raw: Path, train: list[str], val: list[str]) -> None:
    """Check the class folders of train/ against those of val/. Raises TenchError."""
    for here, there, missing in (
        ("train", "val", set(train) - set(val)),
        ("val", "train", set(val) - set(train)),
    ):
        if missing:
            name = min(missing)
            raise TenchError(
                f"{raw / here / name}: this class has no folder {raw / there / name}; "
                "every class needs pictures in both train/ and val/"
            )
    if len(train) < 2:
        found = f"only one class ({train[0]})" if train else "no class folders"
        raise TenchError(
            f"{raw / 'train'}: {found}; a classifier needs at least two, one sub-folder per class"
        )


def renamed(raw: Path, folders: list[str], names: Mapping[str, str]) -> dict[str, str]:
    """Map each class folder to its class name; a folder that `names` does not list keeps its own.

    Raises:
        TenchError: two folders end up with one name, or one with a name that is none.
    """
    result: dict[str, str] = {}
    taken: dict[str, str] = {}
    for folder in folders:
        result[folder] = names.get(folder, folder)
        try:
            class_name(result[folder])
        except ValueError as error:
            raise TenchError(f"{raw}: the class folder {folder!r} {error}") from None
        other = taken.setdefault(same_name(result[folder]), folder)
        if other != folder:
            raise TenchError(
                f"params.yaml: data.classes: the folders {other} and {folder} of {raw} "
                f"would both be named {result[folder]!r}; give one another name"
            )
    return result


def scan(raw: Path, names: Mapping[str, str]) -> list[Source]:
    """List every picture file of a raw folder: train before val, by class name, by file name.

    Args:
        raw: a folder with train/ and val/, each with one sub-folder per class.
        names: class folder to class name.

    Raises:
        TenchError: whatever keeps the folder from being a data set.
    """
    for part in ("train", "val"):
        refuse_link(raw / part)
        if not (raw / part).is_dir():
            raise TenchError(
                f"{raw}: has no folder {part}/; expected {raw}/train/CLASS/… and {raw}/val/CLASS/…"
            )
    folders = class_folders(raw / "train")
    same_classes(raw, folders, class_folders(raw / "val"))
    name_of = renamed(raw, folders, names)
    sources = []
    for part in ("train", "val"):
        for folder in sorted(folders, key=lambda f: name_of[f]):
            files = class_files(raw / part / folder)
            if not files:
                raise TenchError(f"{raw / part / folder}: no files; every class needs pictures")
            sources += [Source(part, name_of[folder], file) for file in files]
    return sources
