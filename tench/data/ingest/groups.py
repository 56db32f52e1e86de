"""Groups of images, such as those of one patient, that must be in one split."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError


def extract_group(pattern: str, file: Path, raw: Path) -> str:
    """The group of an image: what the pattern captures in its path below `raw`.

    Raises TenchError if the pattern captures nothing.
    """
    path = file.relative_to(raw).as_posix()
    match = re.search(pattern, path)
    if not match or not match[1]:
        raise TenchError(
            f"params.yaml: data.groups = {pattern!r} finds no group in {path}; every image needs "
            "one: change the pattern or the file name"
        )
    return str(match[1])


def check_group_splits(images: Iterable[tuple[str, str, Path]]) -> None:
    """Raise TenchError if images (group, split, file) of one group are in two splits."""
    first: dict[str, tuple[str, Path]] = {}
    for group, split, file in images:
        other, example = first.setdefault(group, (split, file))
        if group and other != split:
            raise TenchError(
                f"the group {group!r} is in two splits: {example} is in {other}, {file} in {split};"
                " move the whole group to one split, or the test score would be inflated"
            )


class GroupUnit(NamedTuple):
    """Groups that share an equal image, and so must be in one split."""

    rank: str  # units are assigned in the order of their ranks
    indices: list[int]  # of the images
    class_counts: Counter[str]  # images per class


def build_group_units(
    class_of: Sequence[str],
    groups: Sequence[str],
    contents: Sequence[str],
    ranks: Mapping[str, str],
) -> list[GroupUnit]:
    """Join groups that share an equal image.

    Args:
        class_of: class name of each image.
        groups: group of each image.
        contents: digest of the pixels of each image.
        ranks: rank of each group.

    Returns:
        The units, sorted by rank: the lowest rank of their groups.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for group, content in zip(groups, contents, strict=True):
        parent[root(("content", content))] = root(("group", group))
    members: dict[tuple[str, str], list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(root(("group", group)), []).append(index)
    return sorted(
        GroupUnit(
            min(ranks[groups[index]] for index in indices),
            indices,
            Counter(class_of[index] for index in indices),
        )
        for indices in members.values()
    )


def added_imbalance(have: Counter[str], wanted: Mapping[str, float], unit: GroupUnit) -> float:
    """How many images farther from its shares a split is with a unit, summed over classes."""
    return sum(
        abs(have[name] + count - wanted[name]) - abs(have[name] - wanted[name])
        for name, count in unit.class_counts.items()
    )


def choose_units(
    waiting: list[GroupUnit], wanted: Mapping[str, float], splits_after: int
) -> list[GroupUnit]:
    """Choose the units of one split.

    Take each unit, in order, that brings the class counts of the split nearer to its shares. Then
    give each class without images the unit that adds the least imbalance. Every class keeps at
    least one unit for each later split.

    Args:
        waiting: unassigned units, in the order of their ranks.
        wanted: share of the split, in images per class.
        splits_after: number of splits to choose later.
    """
    left = Counter(name for unit in waiting for name in unit.class_counts)
    have: Counter[str] = Counter()
    chosen: list[GroupUnit] = []

    def is_available(unit: GroupUnit) -> bool:
        return all(left[name] > splits_after for name in unit.class_counts)

    def choose(unit: GroupUnit) -> None:
        chosen.append(unit)
        have.update(unit.class_counts)
        left.subtract(unit.class_counts.keys())

    for unit in waiting:
        if is_available(unit) and added_imbalance(have, wanted, unit) < 0:
            choose(unit)
    chosen_ranks = {unit.rank for unit in chosen}
    for name in sorted(wanted):
        if not have[name]:
            candidates = [
                unit
                for unit in waiting
                if name in unit.class_counts
                and unit.rank not in chosen_ranks
                and is_available(unit)
            ]
            if candidates:
                best = min(
                    candidates, key=lambda unit: (added_imbalance(have, wanted, unit), unit.rank)
                )
                chosen_ranks.add(best.rank)
                choose(best)
    return chosen


def split_groups(
    waiting: list[GroupUnit], shares: Mapping[str, float], rest: str
) -> dict[int, str]:
    """Split images by whole units.

    Args:
        waiting: the units, in the order of their ranks.
        shares: split to its share of each class, in (0, 1), in the order of choosing.
        rest: split of the units that are not chosen.

    Returns:
        Image index to split. A class with too few units may be missing from a split.
    """
    total: Counter[str] = Counter()
    for unit in waiting:
        total.update(unit.class_counts)
    split_of: dict[int, str] = {}
    for number, (split, share) in enumerate(shares.items()):
        wanted = {name: share * count for name, count in total.items()}
        chosen = choose_units(waiting, wanted, len(shares) - number)
        split_of |= {index: split for unit in chosen for index in unit.indices}
        chosen_ranks = {unit.rank for unit in chosen}
        waiting = [unit for unit in waiting if unit.rank not in chosen_ranks]
    return split_of | {index: rest for unit in waiting for index in unit.indices}
