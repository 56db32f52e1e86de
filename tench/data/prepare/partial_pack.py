"""The images of a pack that is not whole yet, kept now and then, so that a run that was stopped
goes on at the image where it was, or those of a second before."""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tench.run.resume import append_entry, read_entries

SAVE_INTERVAL_SECONDS = (
    1.0  # seconds, so that quick images, of which a pack takes less, cost nothing
)


class PrepareResult(NamedTuple):
    """What became of one raw file: its digests, or else the reason why it could not be read."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


PreparedImage = tuple[
    PrepareResult, bytes
]  # what became of a raw file, and the prepared image, WebP


def resumed_images(
    before: Sequence[PreparedImage],
    made: Iterable[PreparedImage],
    keep: Callable[[list[PreparedImage]], None],
) -> Iterator[PreparedImage]:
    """The images `before`, then those that are `made`, which are kept every EVERY seconds."""
    yield from before
    fresh: list[PreparedImage] = []
    kept = time.monotonic()
    for one in made:
        fresh.append(one)
        if time.monotonic() - kept >= SAVE_INTERVAL_SECONDS:
            keep(fresh)
            fresh, kept = [], time.monotonic()
        yield one


def save_partial_pack(pack: str, stamp: str, journal: Path, some: Sequence[PreparedImage]) -> None:
    """Add the next images of a pack to a journal, with the stamp of its raw files."""
    images = [[*one, b64encode(webp).decode()] for one, webp in some]
    append_entry({"pack": pack, "stamp": stamp, "images": images}, journal)


def read_partial_packs(journal: Path, stamps: Mapping[str, str]) -> dict[str, list[PreparedImage]]:
    """The first images of packs, by the pack, whose raw files still have the stamps that they are
    given here by."""
    found: dict[str, list[PreparedImage]] = {}
    for entry in read_entries(journal):
        if stamps.get(entry["pack"]) == entry["stamp"]:
            images = [(PrepareResult(*one), b64decode(webp)) for *one, webp in entry["images"]]
            found.setdefault(entry["pack"], []).extend(images)
    return found
