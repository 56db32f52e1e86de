"""Which pictures lie together in a pack."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tench.core.packs import PACK
from tench.intake.scan import Source

USUAL = 256  # pictures, on average
LARGEST = 1024


class Pack(NamedTuple):
    """Pictures of one class and one side of the raw folder, in its order."""

    path: str  # below data/prepared
    sources: list[Source]


def packs_of(sources: Sequence[Source]) -> Iterator[Pack]:
    """Put pictures into packs, in their order.

    Where a pack ends follows from the name of its last picture, so that one picture more or fewer
    changes one pack, or two, and DVC need keep and send no other anew.
    """
    for (split, class_name), group in groupby(sources, lambda one: (one.split, one.class_name)):
        for number, part in enumerate(cut(group)):
            yield Pack(f"{split or 'pictures'}/{class_name}/{number:03d}{PACK}", part)


def cut(sources: Iterator[Source]) -> Iterator[list[Source]]:
    """Pictures in parts, each of which ends with one whose name is the last of a pack."""
    part: list[Source] = []
    for source in sources:
        part.append(source)
        if len(part) == LARGEST or is_last(source.apart + source.file.name):
            yield part
            part = []
    if part:
        yield part


def is_last(name: str) -> bool:
    """Whether a picture of this name is the last of its pack: one of USUAL is."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % USUAL == 0
