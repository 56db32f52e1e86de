"""The layouts that a raw folder may have, and which of them one has."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import SPLITS
from tench.data.ingest.file_rules import check_not_link, list_data_entries

LAYOUT_HELP = """\
The folder that data.raw names may hold
  train/CLASS/… and val/CLASS/…      with test/CLASS/… too, or a share of val is held out as test
  train/CLASS/… and test/CLASS/…     a share of train becomes val
  CLASS/…, two or more of them       shares of every class become val and test
  one CSV file                       columns path and label; split and group, if you have them
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
REQUIRED_COLUMNS = ("path", "label")  # columns of a CSV file
MAX_NAMES_LISTED = 8  # names in a message


class Layout(NamedTuple):
    """How a raw folder is laid out: by folders or by a CSV file."""

    words: str  # for people
    folders: dict[str, Path]  # side to the folder of its class folders; "" where we choose sides
    manifest: Path | None = None  # the CSV file


def layout_error(problem: str) -> TenchError:
    """An error about a layout: what is wrong, and which layouts there are."""
    return TenchError(f"{problem}\n{LAYOUT_HELP}")


def split_from_word(word: str) -> str | None:
    """The side of the split that a folder's or a CSV's word means, one of SPLITS; None if none."""
    return SPLIT_WORDS.get(word.casefold())


def describe_entries(found: Sequence[Path]) -> str:
    """What is in a folder, for a message: its folders by name, its files by number."""
    folders = [f"{path.name}/" for path in found if path.is_dir()]
    more = [f"{len(folders) - MAX_NAMES_LISTED} more folders"] if folders[MAX_NAMES_LISTED:] else []
    files = len(found) - len(folders)
    several = [f"{files} file{'s' * (files > 1)}"] if files else []
    return "found " + (", ".join([*folders[:MAX_NAMES_LISTED], *more, *several]) or "nothing")


def missing_folder_reason(raw: Path) -> str:
    """What is wrong with a path that is no folder."""
    if raw.is_file():
        return "a file, not a folder; an archive must be unpacked first"
    return "not a folder" if raw.exists() else "no such folder"


def is_manifest(file: Path) -> bool:
    """Whether a CSV file's first line names the columns that it takes to decide."""
    with file.open("rb") as content:
        line = content.readline(2**16).decode("utf-8-sig", "replace")
    return set(REQUIRED_COLUMNS) <= {cell.strip(' "\r\n') for cell in line.split(",")}


def find_split_folders(found: Sequence[Path]) -> dict[str, Path]:
    """The folders named like a side of the split, in the order of SPLITS. Raises TenchError if two
    are of one side, or one is a link."""
    folders: dict[str, Path] = {}
    for path in found:
        name = split_from_word(path.name)
        if not name:
            continue
        check_not_link(path)
        if not path.is_dir():
            continue
        other = folders.setdefault(name, path)
        if other != path:
            raise layout_error(f"{other} and {path}: both are {name}; join or rename one of them")
    return {name: folders[name] for name in SPLITS if name in folders}


def detect_layout(raw: Path) -> Layout:
    """Say which layout a raw folder has, by what is at its top alone.

    A CSV file decides. Only beside train/ with val/ or test/ one without the columns that it takes
    is not looked at: published sets have such notes.

    Raises:
        TenchError: it has none, or something at its top has a name that cannot be kept.
    """
    if not raw.is_dir():
        raise layout_error(f"{raw}: {missing_folder_reason(raw)}")
    found = list_data_entries(raw)
    folders = find_split_folders(found)
    split = "train" in folders and len(folders) > 1
    tables = [path for path in found if path.suffix.lower() == ".csv" and path.is_file()]
    if tables and not (split and not any(map(is_manifest, tables))):
        if tables[1:]:
            names = ", ".join(path.name for path in tables[:MAX_NAMES_LISTED])
            raise layout_error(f"{raw}: {len(tables)} CSV files ({names}); leave one there")
        return Layout(f"a CSV file, {tables[0].name}", {}, tables[0])
    if split:
        names = " and ".join(f"{path.name}/" for path in folders.values())
        return Layout(names, folders)
    if folders:
        lacking = "val/ or test/" if "train" in folders else "train/"
        raise layout_error(f"{raw}: has no folder {lacking}; {describe_entries(found)}")
    classes = [path for path in found if path.is_dir()]
    if len(classes) < 2:
        hint = f"; is data.raw: {classes[0]} meant?" if classes else ""
        raise layout_error(f"{raw}: fewer than two class folders; {describe_entries(found)}{hint}")
    return Layout("class folders alone", {"": raw})
