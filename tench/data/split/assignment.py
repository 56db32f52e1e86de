"""Assign images to train, val and test, unless their folder or the CSV file does."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Protocol

from tench.core.errors import TenchError
from tench.data.ingest.groups import build_group_units, split_groups

# Existing splits to the split that is divided, and the splits held out of it.
HELD_OUT_SPLITS = {
    ("train", "val"): ("val", ("test",)),
    ("test", "train"): ("train", ("val",)),
    ("",): ("", ("test", "val")),
}


class SplitItem(Protocol):
    """The attributes of an image that assignment uses."""

    @property
    def split(self) -> str:
        """One of SPLITS, or "" if not yet split."""

    @property
    def class_name(self) -> str: ...

    @property
    def group(self) -> str:
        """Group of the image; "" without groups."""


def split_rank(content: str, seed: int) -> str:
    """Rank of an image or group in the assignment: a digest of its content or name and the seed."""
    return hashlib.sha256(f"{seed} {content}".encode()).hexdigest()


def assign_by_class(
    class_of: Sequence[str],
    contents: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
    seed: int,
) -> list[str]:
    """Assign images to splits, class by class.

    The split of an image depends on its pixels and the seed, not on names or order: the images of
    each class with the lowest ranks get the first split of `shares`, and so on. An added or removed
    image thus moves at most one other image of its class across each boundary. Equal images share
    one split, even in two classes.

    Args:
        class_of: class name of each image.
        contents: digest of the pixels of each image.
        shares: split to its share of each class, in (0, 1), rounded to whole images.
        rest: split of the other images.
        seed: seed of the ranks.

    Returns:
        The split of each image. A class that is too small may be missing from a split.
    """
    split_of: dict[str, str] = {}  # by content; the first class with a content decides
    ranked = sorted(
        range(len(class_of)), key=lambda n: (class_of[n], split_rank(contents[n], seed))
    )
    for _, group in groupby(ranked, key=class_of.__getitem__):
        indices = list(group)
        begin, cumulative = 0, 0.0
        for split, share in shares.items():
            cumulative += share
            end = math.floor(cumulative * len(indices) + 0.5)
            for index in indices[begin:end]:
                split_of.setdefault(contents[index], split)
            begin = end
        for index in indices[begin:]:
            split_of.setdefault(contents[index], rest)
    return [split_of[content] for content in contents]


def assign_by_group(
    class_of: Sequence[str],
    groups: Sequence[str],
    contents: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
    seed: int,
) -> list[str]:
    """Assign whole groups to splits; groups that share an equal image stay together.

    Args:
        class_of: class name of each image.
        groups: group of each image.
        contents: digest of the pixels of each image.
        shares: split to its share of each class, in (0, 1).
        rest: split of the other images.
        seed: seed of the ranks.

    Returns:
        The split of each image.
    """
    ranks = {group: split_rank(group, seed) for group in groups}
    split_of = split_groups(build_group_units(class_of, groups, contents, ranks), shares, rest)
    return [split_of[index] for index in range(len(class_of))]


def check_class_coverage(
    images: Sequence[SplitItem],
    contents: Sequence[str],
    splits: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
) -> None:
    """Raise TenchError unless every class has images in every split."""
    class_sizes = Counter(image.class_name for image in images)
    found = Counter((image.class_name, split) for image, split in zip(images, splits, strict=True))
    missing = [
        (size, name, split)
        for name, size in class_sizes.items()
        for split in (*shares, rest)
        if not found[name, split]
    ]
    if not missing:
        return
    size, name, split = min(missing)
    where = f" in {images[0].split}" if images[0].split else ""
    keys = " and ".join(f"data.{key}_fraction = {share}" for key, share in shares.items())
    if images[0].group:
        class_of = [image.class_name for image in images]
        groups = [image.group for image in images]
        units = build_group_units(class_of, groups, contents, {group: group for group in groups})
        joined = sum(name in unit.class_counts for unit in units)
        alone = len({image.group for image in images if image.class_name == name})
        equal = f", {joined} once those that share an image are joined," if joined < alone else ""
        raise TenchError(
            f"class {name}: {alone} groups{where} ({size} readable images){equal} are too few "
            f"for {keys}: {split} gets none, and groups are never divided; add groups, or try "
            "another seed if they contain several classes"
        )
    if cause := describe_equal_images(name, images, contents, shares, rest):
        raise TenchError(
            f"class {name}: {cause}; equal images share one split, so {split} gets none{where}: "
            "remove the copies, or add different images"
        )
    raise TenchError(
        f"class {name}: {size} readable images{where} are too few for {keys}: {split} gets "
        "none; add images or change the share"
    )


def describe_equal_images(
    name: str,
    images: Sequence[SplitItem],
    contents: Sequence[str],
    shares: Mapping[str, float],
    rest: str,
) -> str:
    """Why equal images, and not its size, keep a class out of a split; "" if they do not."""
    pairs = [(image.class_name, content) for image, content in zip(images, contents, strict=True)]
    own = [content for class_name, content in pairs if class_name == name]
    others = {content for class_name, content in pairs if class_name != name}
    all_different = [str(n) for n in range(len(own))]
    splits = assign_by_class([name] * len(own), all_different, shares, rest, 0)
    if len(set(splits)) <= len(shares):
        return ""  # too few even if all were different
    different = len(set(own))
    if different < len(own):
        return f"its {len(own)} readable images show only {different} different ones"
    shared = sum(content in others for content in own)
    return f"{shared} of its {len(own)} readable images are also in another class"


def assign_splits(
    images: Sequence[SplitItem], contents: Sequence[str], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """The split of each image: from its folder or the CSV file, or else a share of each class.

    Args:
        images: images of one raw folder.
        contents: digest of the pixels of each image.
        fractions: shares of "test" and "val", in (0, 1), of the images they are held out of.
        seed: seed of the assignment.

    Raises:
        TenchError: a class would be missing from a split.
    """
    splits = [image.split for image in images]
    existing = tuple(sorted(set(splits)))
    if existing not in HELD_OUT_SPLITS:
        return splits
    divided, held_out = HELD_OUT_SPLITS[existing]
    shares = {split: fractions[split] for split in held_out}
    if sum(shares.values()) >= 1:
        keys = " and ".join(f"data.{split}_fraction = {share}" for split, share in shares.items())
        raise TenchError(f"params.yaml: {keys} leave nothing to train on; lower one")
    indices = [index for index, split in enumerate(splits) if split == divided]
    members = [images[index] for index in indices]
    class_of = [image.class_name for image in members]
    digests = [contents[index] for index in indices]
    rest = divided or "train"
    if members[0].group:
        groups = [image.group for image in members]
        assigned = assign_by_group(class_of, groups, digests, shares, rest, seed)
    else:
        assigned = assign_by_class(class_of, digests, shares, rest, seed)
    check_class_coverage(members, digests, assigned, shares, rest)
    for index, split in zip(indices, assigned, strict=True):
        splits[index] = split
    return splits
