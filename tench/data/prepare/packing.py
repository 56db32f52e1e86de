"""Assign raw images to packs: ZIP files of a few hundred prepared images."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from tench.core.zip_packs import PACK_SUFFIX
from tench.data.ingest.scan import SourceFile

TYPICAL_PACK_SIZE = 256  # images, mean
MAX_PACK_SIZE = 1024


class Pack(NamedTuple):
    """Consecutive images of one class and one split of the raw folder."""

    path: str  # below data/prepared
    sources: list[SourceFile]


def plan_packs(sources: Sequence[SourceFile]) -> Iterator[Pack]:
    """Yield packs of consecutive images.

    The name of an image decides whether a pack ends after it. So an added or removed image changes
    one or two packs, and DVC stores and sends no others again.
    """
    for (split, class_name), group in groupby(sources, lambda file: (file.split, file.class_name)):
        for number, part in enumerate(cut_at_boundaries(group)):
            yield Pack(f"{split or 'images'}/{class_name}/{number:03d}{PACK_SUFFIX}", part)


def cut_at_boundaries(sources: Iterator[SourceFile]) -> Iterator[list[SourceFile]]:
    """Yield the images of one class and split in parts, one for each pack."""
    part: list[SourceFile] = []
    for source in sources:
        part.append(source)
        if len(part) == MAX_PACK_SIZE or is_pack_boundary(source.subfolder + source.file.name):
            yield part
            part = []
    if part:
        yield part


def is_pack_boundary(name: str) -> bool:
    """Whether a pack ends after an image of this name: one in TYPICAL_PACK_SIZE names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]) % TYPICAL_PACK_SIZE == 0
