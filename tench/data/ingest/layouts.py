"""The allowed layouts of a raw folder, and their detection."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import SPLITS
from tench.data.ingest.file_rules import check_not_link, list_data_entries

LAYOUT_HELP = """\
The folder data.raw may contain
  train/CLASS/… and val/CLASS/…      with test/CLASS/… too, or a share of val becomes test
  train/CLASS/… and test/CLASS/…     a share of train becomes val
  CLASS/…, two or more of them       shares of every class become val and test
  one CSV file                       columns path and label, optionally split and group
(also: training; valid, validation; testing). More in docs/your-images.md."""

SPLIT_WORDS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
REQUIRED_COLUMNS = ("path", "label")
MAX_NAMES_LISTED = 8  # names in a message


class Layout(NamedTuple):
    """Layout of a raw folder: by folders or by a CSV file."""

    description: str  # for messages
    folders: dict[str, Path]  # split to the folder with its class folders; "" if not yet split
    manifest: Path | None = None  # CSV file


def layout_error(problem: str) -> TenchError:
    """An error about a layout, with the allowed layouts."""
    return TenchError(f"{problem}\n{LAYOUT_HELP}")


def split_from_word(word: str) -> str | None:
    """The split, one of SPLITS, that a folder name or CSV cell stands for; None if unknown."""
    return SPLIT_WORDS.get(word.casefold())


def describe_entries(entries: Sequence[Path]) -> str:
    """Content of a folder for a message: names of its folders, number of its files."""
    folders = [f"{path.name}/" for path in entries if path.is_dir()]
    more = [f"{len(folders) - MAX_NAMES_LISTED} more folders"] if folders[MAX_NAMES_LISTED:] else []
    files = len(entries) - len(folders)
    several = [f"{files} file{'s' * (files > 1)}"] if files else []
    return "found " + (", ".join([*folders[:MAX_NAMES_LISTED], *more, *several]) or "nothing")


def missing_folder_reason(raw: Path) -> str:
    """Why a path is not a folder."""
    if raw.is_file():
        return "a file, not a folder; an archive must be unpacked first"
    return "not a folder" if raw.exists() else "no such folder"


def is_manifest(file: Path) -> bool:
    """Whether the first line of a CSV file has the required columns."""
    with file.open("rb") as content:
        line = content.readline(2**16).decode("utf-8-sig", "replace")
    return set(REQUIRED_COLUMNS) <= {cell.strip(' "\r\n') for cell in line.split(",")}


def find_split_folders(entries: Sequence[Path]) -> dict[str, Path]:
    """Folders named like a split, in the order of SPLITS.

    Raises TenchError if two stand for the same split, or one is a link.
    """
    folders: dict[str, Path] = {}
    for path in entries:
        name = split_from_word(path.name)
        if not name:
            continue
        check_not_link(path)
        if not path.is_dir():
            continue
        other = folders.setdefault(name, path)
        if other != path:
            raise layout_error(f"{other} and {path}: both are {name}; merge them or rename one")
    return {name: folders[name] for name in SPLITS if name in folders}


def detect_layout(raw: Path) -> Layout:
    """Detect the layout of a raw folder from its top level.

    A CSV file takes precedence. Beside train/ with val/ or test/, a CSV file without the required
    columns is ignored: published data sets contain such files.

    Raises:
        TenchError: no layout matches, or a name at the top level is not allowed.
    """
    if not raw.is_dir():
        raise layout_error(f"{raw}: {missing_folder_reason(raw)}")
    entries = list_data_entries(raw)
    folders = find_split_folders(entries)
    split = "train" in folders and len(folders) > 1
    tables = [path for path in entries if path.suffix.lower() == ".csv" and path.is_file()]
    if tables and not (split and not any(map(is_manifest, tables))):
        if tables[1:]:
            names = ", ".join(path.name for path in tables[:MAX_NAMES_LISTED])
            raise layout_error(f"{raw}: {len(tables)} CSV files ({names}); keep one")
        return Layout(f"a CSV file, {tables[0].name}", {}, tables[0])
    if split:
        names = " and ".join(f"{path.name}/" for path in folders.values())
        return Layout(names, folders)
    if folders:
        missing = "val/ or test/" if "train" in folders else "train/"
        raise layout_error(f"{raw}: has no folder {missing}; {describe_entries(entries)}")
    classes = [path for path in entries if path.is_dir()]
    if len(classes) < 2:
        hint = f"; did you mean data.raw: {classes[0]}?" if classes else ""
        raise layout_error(
            f"{raw}: fewer than two class folders; {describe_entries(entries)}{hint}"
        )
    return Layout("class folders", {"": raw})
