"""The pictures of a pack that is not whole yet, kept now and then, so that a run that was stopped
goes on at the picture where it was, or those of a second before."""

import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tench.core.unfinished import append, entries

EVERY = 1.0  # seconds, so that quick pictures, of which a pack takes less, cost nothing


class Prepared(NamedTuple):
    """What became of one raw file: its digests, or else the reason why it could not be read."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


Made = tuple[Prepared, bytes]  # what became of a raw file, and the prepared picture, WebP


def going_on(
    before: Sequence[Made], made: Iterable[Made], keep: Callable[[list[Made]], None]
) -> Iterator[Made]:
    """The pictures `before`, then those that are `made`, which are kept every EVERY seconds."""
    yield from before
    fresh: list[Made] = []
    kept = time.monotonic()
    for one in made:
        fresh.append(one)
        if time.monotonic() - kept >= EVERY:
            keep(fresh)
            fresh, kept = [], time.monotonic()
        yield one


def keep_begun(pack: str, stamp: str, journal: Path, some: Sequence[Made]) -> None:
    """Add the next pictures of a pack to a journal, with the stamp of its raw files."""
    pictures = [[*one, b64encode(webp).decode()] for one, webp in some]
    append({"pack": pack, "stamp": stamp, "pictures": pictures}, journal)


def read_begun(journal: Path, stamps: Mapping[str, str]) -> dict[str, list[Made]]:
    """The first pictures of packs, by the pack, whose raw files still have the stamps that they are
    given here by."""
    found: dict[str, list[Made]] = {}
    for entry in entries(journal):
        if stamps.get(entry["pack"]) == entry["stamp"]:
            pictures = [(Prepared(*one), b64decode(webp)) for *one, webp in entry["pictures"]]
            found.setdefault(entry["pack"], []).extend(pictures)
    return found
