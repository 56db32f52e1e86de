"""On which side of the split an image is, where no folder and no CSV file says so."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Protocol

from tench.core.errors import TenchError
from tench.data.ingest.groups import build_group_units, split_groups

# What is cut, by the sides that there are: the side it is cut off, and those it becomes.
HELD_OUT_SPLITS = {
    ("train", "val"): ("val", ("test",)),
    ("test", "train"): ("train", ("val",)),
    ("",): ("", ("test", "val")),
}


class SplitItem(Protocol):
    """What is asked of an image."""

    @property
    def split(self) -> str:
        """One of SPLITS, or "" where we choose."""

    @property
    def class_name(self) -> str: ...

    @property
    def group(self) -> str:
        """ "" without groups."""


def split_rank(content: str, seed: int) -> str:
    """Where an image stands in line for another side: a digest of what it shows, or of its group's
    name, keyed by the seed."""
    return hashlib.sha256(f"{seed} {content}".encode()).hexdigest()


def assign_by_class(
    class_of: Sequence[str],
    contents: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
    seed: int,
) -> list[str]:
    """Choose the side of every image, class by class.

    An image's side follows from what it shows, whatever its name and its neighbors: the first
    of every class in the order of `rank` get the first of `shares`, and so on. So an image more or
    less moves at most one other of its class across each boundary. Images of equal content stay
    together, those of two classes too.

    Args:
        class_of: the class name of every image.
        contents: a digest of what each shows.
        shares: side to share of every class, in (0, 1), rounded to whole images.
        rest: the side of the others.
        seed: of the choice.

    Returns:
        The side of every image. A class may be missing on a side if it is too small.
    """
    sides: dict[str, str] = {}  # by content: the first class that has it decides
    in_line = sorted(
        range(len(class_of)), key=lambda n: (class_of[n], split_rank(contents[n], seed))
    )
    for _, group in groupby(in_line, key=class_of.__getitem__):
        places = list(group)
        begin, share = 0, 0.0
        for side, more in shares.items():
            share += more
            end = math.floor(share * len(places) + 0.5)
            for place in places[begin:end]:
                sides.setdefault(contents[place], side)
            begin = end
        for place in places[begin:]:
            sides.setdefault(contents[place], rest)
    return [sides[content] for content in contents]


def assign_by_group(
    class_of: Sequence[str],
    groups: Sequence[str],
    contents: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
    seed: int,
) -> list[str]:
    """Choose the side of every image by whole groups, in the order of `rank` of their names;
    groups that share a content stay together. `split_groups` says which are taken; the arguments
    are those of `cut`."""
    line = {group: split_rank(group, seed) for group in groups}
    sides = split_groups(build_group_units(class_of, groups, contents, line), shares, rest)
    return [sides[place] for place in range(len(class_of))]


def check_class_coverage(
    images: Sequence[SplitItem],
    contents: Sequence[str],
    sides: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
) -> None:
    """Raise TenchError unless every class has images on all sides of a cut."""
    count = Counter(one.class_name for one in images)
    found = Counter((one.class_name, side) for one, side in zip(images, sides, strict=True))
    short = [
        (number, name, side)
        for name, number in count.items()
        for side in (*shares, rest)
        if not found[name, side]
    ]
    if not short:
        return
    number, name, side = min(short)
    where = f" in {images[0].split}" if images[0].split else ""
    keys = " and ".join(f"data.{key}_fraction = {share}" for key, share in shares.items())
    if images[0].group:
        class_of = [one.class_name for one in images]
        groups = [one.group for one in images]
        line = {group: group for group in groups}
        joined = sum(
            name in unit.classes for unit in build_group_units(class_of, groups, contents, line)
        )
        alone = len({one.group for one in images if one.class_name == name})
        equal = f", {joined} once those that share an image are joined," if joined < alone else ""
        raise TenchError(
            f"class {name}: {alone} groups{where} ({number} readable images){equal} are too few "
            f"for {keys}: {side} gets none, and groups are never divided; add groups, or try "
            "another seed if they hold several classes"
        )
    raise TenchError(
        f"class {name}: {number} readable images{where} are too few for {keys}: {side} gets "
        "none; add images or change the share"
    )


def assign_splits(
    images: Sequence[SplitItem], contents: Sequence[str], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """The side of every image: its folder's or the CSV file's where they say it, else a share of
    every class, as `cut` and `cut_groups` have it.

    Args:
        images: of one layout.
        contents: a digest of what each shows.
        fractions: of "test" and "val": their share of what they are cut off, in (0, 1).
        seed: of the choice.

    Raises:
        TenchError: a class would be missing on a side.
    """
    sides = [one.split for one in images]
    there = tuple(sorted(set(sides)))
    if there not in HELD_OUT_SPLITS:
        return sides
    whole, parts = HELD_OUT_SPLITS[there]
    shares = {part: fractions[part] for part in parts}
    if sum(shares.values()) >= 1:
        keys = " and ".join(f"data.{part}_fraction = {share}" for part, share in shares.items())
        raise TenchError(f"params.yaml: {keys} leave nothing to train on; lower one")
    places = [place for place, side in enumerate(sides) if side == whole]
    those = [images[place] for place in places]
    class_of = [one.class_name for one in those]
    shown = [contents[place] for place in places]
    rest = whole or "train"
    if those[0].group:
        groups = [one.group for one in those]
        chosen = assign_by_group(class_of, groups, shown, shares, rest, seed)
    else:
        chosen = assign_by_class(class_of, shown, shares, rest, seed)
    check_class_coverage(those, shown, chosen, shares, rest)
    for place, side in zip(places, chosen, strict=True):
        sides[place] = side
    return sides
