"""Groups of images that belong together, such as a patient's: never on two sides of the split."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.names import is_formula


def extract_group(pattern: str, file: Path, raw: Path) -> str:
    """What the pattern's one group captures in a file's path below `raw`. Raises TenchError if it
    captures nothing, or what a spreadsheet computes."""
    path = file.relative_to(raw).as_posix()
    found = re.search(pattern, path)
    if not found or not found[1]:
        raise TenchError(
            f"params.yaml: data.groups = {pattern!r} finds no group in {path}; every image needs "
            "one: change the pattern, or the file's name"
        )
    if is_formula(found[1]):
        raise TenchError(
            f"params.yaml: data.groups = {pattern!r} finds the group {found[1]!r} in {path}, which "
            "a spreadsheet takes for a formula: let the parentheses begin elsewhere"
        )
    return str(found[1])


def check_group_splits(images: Iterable[tuple[str, str, Path]]) -> None:
    """Raise TenchError if images (group, side, file) of one group are on two sides."""
    first: dict[str, tuple[str, Path]] = {}
    for group, side, file in images:
        other, example = first.setdefault(group, (side, file))
        if group and other != side:
            raise TenchError(
                f"the group {group!r} is on two sides: {example} is in {other}, {file} in {side}; "
                "what is learnt of a group would be tested on it: move all of it to one side"
            )


class GroupUnit(NamedTuple):
    """Images that must stay together."""

    line: str  # where they stand in line
    places: list[int]  # which images
    classes: Counter[str]  # how many of each class


def build_group_units(
    class_of: Sequence[str], groups: Sequence[str], contents: Sequence[str], line: Mapping[str, str]
) -> list[GroupUnit]:
    """Join the images of a group, and groups that share a content; in the order of the first in
    `line` (by group) of their groups."""
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
    for place, group in enumerate(groups):
        members.setdefault(root(("group", group)), []).append(place)
    found = [
        GroupUnit(
            min(line[groups[place]] for place in places),
            places,
            Counter(class_of[place] for place in places),
        )
        for places in members.values()
    ]
    return sorted(found)


def added_imbalance(have: Counter[str], wanted: Mapping[str, float], unit: GroupUnit) -> float:
    """By how many images, over all classes, a side gets farther from its share with a unit."""
    return sum(
        abs(have[name] + count - wanted[name]) - abs(have[name] - wanted[name])
        for name, count in unit.classes.items()
    )


def choose_units(
    waiting: list[GroupUnit], wanted: Mapping[str, float], after: int
) -> list[GroupUnit]:
    """Choose the units of one side.

    Each unit in line is taken if that brings the side's images a class nearer to its share. A
    class that has none then gets the unit that takes the side least far from its share. None is
    taken of which a class would not keep a unit for every side that is yet to come.

    Args:
        waiting: the units, in line.
        wanted: how many images of every class are its share.
        after: how many sides are yet to come.
    """
    left = Counter(name for unit in waiting for name in unit.classes)
    have: Counter[str] = Counter()
    chosen: list[GroupUnit] = []

    def may(unit: GroupUnit) -> bool:
        return all(left[name] > after for name in unit.classes)

    def take(unit: GroupUnit) -> None:
        chosen.append(unit)
        have.update(unit.classes)
        left.subtract(unit.classes.keys())

    for unit in waiting:
        if may(unit) and added_imbalance(have, wanted, unit) < 0:
            take(unit)
    taken = {unit.line for unit in chosen}
    for name in sorted(wanted):
        if not have[name]:
            those = [u for u in waiting if name in u.classes and u.line not in taken and may(u)]
            if those:
                best = min(those, key=lambda unit: (added_imbalance(have, wanted, unit), unit.line))
                taken.add(best.line)
                take(best)
    return chosen


def split_groups(
    waiting: list[GroupUnit], shares: Mapping[str, float], rest: str
) -> dict[int, str]:
    """Split images by whole units.

    Args:
        waiting: the units, in line.
        shares: side to share of the images of every class, in (0, 1), in the order of choosing.
        rest: the side of the units that are not chosen.

    Returns:
        The side of every place. A class may be missing on a side if it has too few units.
    """
    total: Counter[str] = Counter()
    for unit in waiting:
        total.update(unit.classes)
    sides: dict[int, str] = {}
    for number, (side, share) in enumerate(shares.items()):
        wanted = {name: share * count for name, count in total.items()}
        chosen = choose_units(waiting, wanted, len(shares) - number)
        sides |= {place: side for unit in chosen for place in unit.places}
        lines = {unit.line for unit in chosen}
        waiting = [unit for unit in waiting if unit.line not in lines]
    return sides | {place: rest for unit in waiting for place in unit.places}
