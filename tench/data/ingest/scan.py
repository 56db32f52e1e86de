"""List and check the classes and files of a raw folder, before any image is read."""

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

    split: str  # one of SPLITS, from its folder or the CSV file; "" if not yet split
    class_name: str
    file: Path
    group: str = ""  # "" without groups
    subfolder: str = ""  # of its prepared image ("deep/"), if another file has the same name


def check_same_classes(tops: Mapping[str, Path], classes: Mapping[str, list[str]]) -> None:
    """Raise TenchError unless train/, val/ and test/ have the same class folders, two or more."""
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
    names = classes[train]
    if len(names) < 2:
        what = f"only one class ({names[0]})" if names else "no class folders"
        raise layout_error(
            f"{tops[train]}: {what}; a classifier needs at least two, one subfolder per class"
        )


def rename_classes(where: Path, labels: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """Map each class folder, or label of a CSV file, to its class name.

    Args:
        where: raw folder or CSV file, for messages.
        labels: names of class folders, or labels.
        names: data.classes; a label that it does not contain keeps its name.

    Raises:
        TenchError: an invalid class name, or two labels with the same class name.
    """
    class_of: dict[str, str] = {}
    label_of: dict[str, str] = {}
    for label in sorted(labels):
        class_of[label] = names.get(label, label)
        try:
            validate_class_name(class_of[label])
        except ValueError as error:
            raise TenchError(
                f"{where}: the class {label!r} {error}, or set another name under data.classes"
            ) from None
        other = label_of.setdefault(normalize_name(class_of[label]), label)
        if other != label:
            raise TenchError(
                f"params.yaml: data.classes: the folders or labels {other} and {label} of {where} "
                f"would both be named {class_of[label]!r}; rename one"
            )
    return class_of


def scan_class_folders(raw: Path, layout: Layout, names: Mapping[str, str]) -> list[SourceFile]:
    """List the files of class folders. Raises TenchError."""
    folders = {split: class_folders(top) for split, top in layout.folders.items()}
    check_same_classes(layout.folders, folders)
    class_of = rename_classes(raw, next(iter(folders.values())), names)
    sources = []
    for split, top in layout.folders.items():
        for folder in sorted(class_of, key=class_of.__getitem__):
            subfolders = disambiguating_folders(list_class_files(top / folder), top / folder)
            if not subfolders:
                raise layout_error(f"{top / folder}: no files; every class needs images")
            sources += [
                SourceFile(split, class_of[folder], file, "", subfolder)
                for file, subfolder in subfolders.items()
            ]
    return sources


def scan_manifest(table: Path, names: Mapping[str, str]) -> list[SourceFile]:
    """List the files in a CSV file, in the order of class folders. Raises TenchError."""
    entries = read_manifest(table)
    class_of = rename_classes(table, {entry.label for entry in entries}, names)
    by_split: dict[str, dict[str, list[ManifestEntry]]] = {}
    for entry in entries:
        by_class = by_split.setdefault(entry.split, {})
        by_class.setdefault(class_of[entry.label], []).append(entry)
    check_manifest_classes(table, by_split)
    sources = []
    for split in ("", *SPLITS):
        for name, members in sorted(by_split.get(split, {}).items()):
            group_of = {entry.file: entry.group for entry in members}
            sources += [
                SourceFile(split, name, file, group_of[file], subfolder)
                for file, subfolder in disambiguating_folders(group_of, table.parent).items()
            ]
    return sources


def check_manifest_classes(
    table: Path, by_split: Mapping[str, Mapping[str, list[ManifestEntry]]]
) -> None:
    """Raise TenchError unless a CSV file has two classes, no splits or train with another split,
    and every class in every split."""
    classes = sorted(set().union(*by_split.values()))
    if len(classes) < 2:
        raise layout_error(f"{table}: only one class ({classes[0]}); a classifier needs two")
    splits = ", ".join(sorted(by_split))
    if "" not in by_split and ("train" not in by_split or len(by_split) < 2):
        raise layout_error(f"{table}: found the split {splits}; use train with val, test or both")
    for split, by_class in sorted(by_split.items()):
        missing = [name for name in classes if name not in by_class]
        if missing:
            raise layout_error(
                f"{table}: the class {missing[0]} has no images in {split}; every class needs "
                f"some in each of {splits}"
            )


def scan_raw_folder(
    raw: Path, names: Mapping[str, str], groups: str | None = None
) -> list[SourceFile]:
    """List every image file of a raw folder, sorted by split (train, val, test), class name and
    file name.

    Args:
        raw: a folder in one of the layouts of `tench.data.ingest.layouts`.
        names: data.classes, from class folder or CSV label to class name.
        groups: data.groups, a regular expression whose one group captures the image's group in its
            path below `raw`; None without groups, or if the CSV file has a column group.

    Raises:
        TenchError: the folder is not a valid data set.
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
                "data.groups to null, or remove the column"
            )
        sources = [
            source._replace(group=extract_group(groups, source.file, raw)) for source in sources
        ]
    check_group_splits([(source.group, source.split, source.file) for source in sources])
    return sources
