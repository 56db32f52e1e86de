"""Which images lie together in a pack."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tench.core.zip_packs import PACK_SUFFIX
from tench.data.ingest.scan import SourceFile

TYPICAL_PACK_SIZE = 256  # images, on average
MAX_PACK_SIZE = 1024


class Pack(NamedTuple):
    """Images of one class and one side of the raw folder, in its order."""

    path: str  # below data/prepared
    sources: list[SourceFile]


def plan_packs(sources: Sequence[SourceFile]) -> Iterator[Pack]:
    """Put images into packs, in their order.

    Where a pack ends follows from the name of its last image, so that one image more or fewer
    changes one pack, or two, and DVC need keep and send no other anew.
    """
    for (split, class_name), group in groupby(sources, lambda one: (one.split, one.class_name)):
        for number, part in enumerate(cut_at_boundaries(group)):
            yield Pack(f"{split or 'images'}/{class_name}/{number:03d}{PACK_SUFFIX}", part)


def cut_at_boundaries(sources: Iterator[SourceFile]) -> Iterator[list[SourceFile]]:
    """Images in parts, each of which ends with one whose name is the last of a pack."""
    part: list[SourceFile] = []
    for source in sources:
        part.append(source)
        if len(part) == MAX_PACK_SIZE or is_pack_boundary(source.subfolder + source.file.name):
            yield part
            part = []
    if part:
        yield part


def is_pack_boundary(name: str) -> bool:
    """Whether an image of this name is the last of its pack: one of USUAL is."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % TYPICAL_PACK_SIZE == 0
