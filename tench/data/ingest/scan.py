"""What a raw image folder holds: its classes and files, checked before anything is read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import SPLITS, normalize_name, validate_class_name
from tench.data.ingest.file_rules import (
    check_raw_tree,
    class_folders,
    disambiguating_folders,
    list_class_files,
)
from tench.data.ingest.groups import check_group_splits, extract_group
from tench.data.ingest.layouts import Layout, detect_layout, layout_error
from tench.data.ingest.manifest import ManifestEntry, read_manifest


class SourceFile(NamedTuple):
    """One file of a raw folder."""

    split: str  # one of SPLITS, as its folder or the CSV file says; "" where we choose
    class_name: str
    file: Path
    group: str = ""  # "" without groups
    subfolder: str = ""  # folders ("deep/") that tell its prepared copy from another of its name


def check_same_classes(tops: Mapping[str, Path], classes: Mapping[str, list[str]]) -> None:
    """Check the class folders of train/ against those of val/ and test/. Raises TenchError."""
    train, *others = classes
    for other in others:
        for here, there in ((train, other), (other, train)):
            missing = set(classes[here]) - set(classes[there])
            if missing:
                name = min(missing)
                raise layout_error(
                    f"{tops[here] / name}: this class has no folder {tops[there] / name}; every "
                    f"class needs images in both {tops[train].name}/ and {tops[other].name}/"
                )
    found = classes[train]
    if len(found) < 2:
        what = f"only one class ({found[0]})" if found else "no class folders"
        raise layout_error(
            f"{tops[train]}: {what}; a classifier needs at least two, one sub-folder per class"
        )


def rename_classes(where: Path, labels: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Map each class folder, or label of a CSV file, to its class name; one that `names` does not
    list keeps its own.

    Raises:
        TenchError: two end up with one name, or one with a name that is none.
    """
    result: dict[str, str] = {}
    taken: dict[str, str] = {}
    for label in sorted(labels):
        result[label] = names.get(label, label)
        try:
            validate_class_name(result[label])
        except ValueError as error:
            raise TenchError(f"{where}: the class {label!r} {error}") from None
        other = taken.setdefault(normalize_name(result[label]), label)
        if other != label:
            raise TenchError(
                f"params.yaml: data.classes: the folders or labels {other} and {label} of {where} "
                f"would both be named {result[label]!r}; give one another name"
            )
    return result


def scan_class_folders(raw: Path, layout: Layout, names: Mapping[str, str]) -> list[SourceFile]:
    """The files of class folders. Raises TenchError."""
    folders = {side: class_folders(top) for side, top in layout.folders.items()}
    check_same_classes(layout.folders, folders)
    name_of = rename_classes(raw, next(iter(folders.values())), names)
    sources = []
    for side, top in layout.folders.items():
        for folder in sorted(name_of, key=name_of.__getitem__):
            files = disambiguating_folders(list_class_files(top / folder, raw), top / folder)
            if not files:
                raise layout_error(f"{top / folder}: no files; every class needs images")
            sources += [
                SourceFile(side, name_of[folder], file, "", apart) for file, apart in files.items()
            ]
    return sources


def scan_manifest(table: Path, names: Mapping[str, str]) -> list[SourceFile]:
    """The files that a CSV file lists, in the order that folders would have. Raises TenchError."""
    entries = read_manifest(table)
    name_of = rename_classes(table, {entry.label for entry in entries}, names)
    classes: dict[str, dict[str, list[ManifestEntry]]] = {}
    for entry in entries:
        classes.setdefault(entry.split, {}).setdefault(name_of[entry.label], []).append(entry)
    check_manifest_classes(table, classes)
    sources = []
    for side in ("", *SPLITS):
        for name, those in sorted(classes.get(side, {}).items()):
            group = {entry.file: entry.group for entry in those}
            files = disambiguating_folders(group, table.parent)
            sources += [
                SourceFile(side, name, file, group[file], apart) for file, apart in files.items()
            ]
    return sources


def check_manifest_classes(
    table: Path, classes: Mapping[str, Mapping[str, list[ManifestEntry]]]
) -> None:
    """Check that a CSV file has two classes, the sides it takes, and every class on each of its
    sides. Raises TenchError."""
    every = sorted(set().union(*classes.values()))
    if len(every) < 2:
        raise layout_error(f"{table}: only one class ({every[0]}); a classifier needs two")
    if "" not in classes and ("train" not in classes or len(classes) < 2):
        words = ", ".join(sorted(classes))
        raise layout_error(
            f"{table}: found the split {words}; it takes train with val, test or both"
        )
    for side, those in sorted(classes.items()):
        missing = [name for name in every if name not in those]
        if missing:
            raise layout_error(
                f"{table}: the class {missing[0]} has no images in {side}; every class needs "
                f"some in each of {', '.join(sorted(classes))}"
            )


def scan_raw_folder(
    raw: Path, names: Mapping[str, str], groups: str | None = None
) -> list[SourceFile]:
    """List every image file of a raw folder: train before val before test, by class name, by file
    name.

    Args:
        raw: a folder in one of the layouts of `tench.data.ingest.layouts`.
        names: class folder, or label of a CSV file, to class name.
        groups: a regular expression whose one group captures, in an image's path below `raw`, what
            group it is of; None where there are none, or a CSV file has them.

    Raises:
        TenchError: whatever keeps the folder from being a data set.
    """
    if raw.is_dir():
        check_raw_tree(raw)
    layout = detect_layout(raw)
    if layout.manifest:
        sources = scan_manifest(layout.manifest, names)
    else:
        sources = scan_class_folders(raw, layout, names)
    if groups is not None:
        if sources[0].group:
            raise TenchError(
                f"params.yaml: data.groups is set, and {layout.manifest} has a column group: set "
                "data.groups to null, or take the column out"
            )
        sources = [one._replace(group=extract_group(groups, one.file, raw)) for one in sources]
    check_group_splits([(one.group, one.split, one.file) for one in sources])
    return sources
