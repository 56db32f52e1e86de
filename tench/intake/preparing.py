"""Raw files to prepared pictures, and what is said of those that cannot be read."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tench.console.disk import need_room
from tench.console.progress import progress
from tench.core.errors import TenchError
from tench.core.files import file_sha256, is_file_of, write_csv
from tench.core.names import Fit, inert_path
from tench.core.packs import write_pack
from tench.core.paths import PREPARED, REJECTED
from tench.core.unfinished import append, entries
from tench.intake.begun import Made, Prepared, going_on, keep_begun, read_begun
from tench.intake.files import SUFFIX
from tench.intake.packing import Pack
from tench.intake.scan import Source
from tench.pictures.prepared import pixel_digest, resize, to_webp
from tench.pictures.raw import Raw, carried, read_raw
from tench.pictures.reading import UnreadableError
from tench.spread.spreading import spread

COMPRESSED = 0.4  # what lossless WebP leaves of RGB, about


def packed_name(source: Source) -> str:
    """What a picture is called in its pack; its full name keeps a.jpg and a.png apart."""
    return f"{source.apart}{source.file.name}{SUFFIX}"


def prepare_all(
    packs: Sequence[Pack], raw: Path, size: int, how: Fit, work: Path
) -> list[Prepared]:
    """What became of every raw file, in their order; the packs of prepared pictures lie in the
    folder `prepared` of `work`. What an equal call left there that was stopped is taken over, of
    raw files that have not changed."""
    folder, journal = work / PREPARED.name, work / "packs.journal"
    pictures = work / "pictures.journal"  # of the pack that is being made
    stamps = {pack.path: stamp_of(pack, raw) for pack in packs}
    before = {
        entry["pack"]: entry
        for entry in entries(journal)
        if entry["stamp"] == stamps.get(entry["pack"])
        and (not entry["sha256"] or is_file_of(folder / entry["pack"], entry["sha256"]))
    }
    to_make = {path: stamp for path, stamp in stamps.items() if path not in before}
    begun = read_begun(pictures, to_make)
    left = [
        source.file
        for pack in packs
        if pack.path in to_make
        for source in pack.sources[len(begun.get(pack.path, [])) :]
    ]
    total = sum(len(pack.sources) for pack in packs)
    need_room(len(left) * 3 * size**2 * COMPRESSED, work, "prepared pictures")

    results: list[Prepared] = []
    opened = partial(preparing, size, how)
    with progress(None, "prepare", total) as bar, spread(opened, carried) as mapped:
        made = mapped(map(Raw, left))
        try:
            for pack in packs:
                if pack.path in before:
                    results += [Prepared(*one) for one in before[pack.path]["pictures"]]
                    bar.update(len(pack.sources))
                    continue
                known = begun.get(pack.path, [])
                stamp = stamps[pack.path]
                rest = islice(made, len(pack.sources) - len(known))
                those = going_on(known, rest, partial(keep_begun, pack.path, stamp, pictures))
                done, digest = write_made(pack, those, folder / pack.path, bar)
                entry = {"pack": pack.path, "stamp": stamp, "sha256": digest}
                append({**entry, "pictures": done}, journal)
                pictures.unlink(missing_ok=True)
                results += done
        except KeyboardInterrupt as stop:
            kept = len(results) + sum(map(len, read_begun(pictures, to_make).values()))
            stop.add_note(f"prepare: {kept} of {total} pictures are kept")
            raise
    return results


def write_made(
    pack: Pack, made: Iterator[Made], file: Path, bar: Any
) -> tuple[list[Prepared], str]:
    """Take the pictures of a pack as they are made, and write those that could be read; return what
    became of each, and the SHA-256 of the pack, "" where there is nothing to write."""
    done, content = [], []
    for source in pack.sources:
        one, webp = next(made)
        done.append(one)
        if not one.reason:
            content.append((packed_name(source), webp))
        bar.update(1)
    if not content:
        return done, ""
    write_pack(content, file)
    return done, file_sha256(file)


def stamp_of(pack: Pack, raw: Path) -> str:
    """By which the raw files of a pack are known to be the same and unchanged, as DVC does it: a
    digest of their names, sizes, and times of the last change in nanoseconds."""
    digest = hashlib.sha256()
    for source in pack.sources:
        name = source.file.relative_to(raw).as_posix()
        try:
            status = source.file.stat()
        except OSError:
            return ""  # reading it will say why
        stamp = [name, source.apart, source.group, status.st_size, status.st_mtime_ns]
        digest.update(json.dumps(stamp).encode())
    return digest.hexdigest()


@contextmanager
def preparing(size: int, how: Fit) -> Iterator[Callable[[Raw], Made]]:
    """`prepare_one`, as `spread` wants it."""
    yield partial(prepare_one, size=size, how=how)


def prepare_one(raw: Raw, size: int, how: Fit) -> Made:
    """Decode and resize one picture; return what became of it, and itself as lossless WebP."""
    try:
        picture = read_raw(raw)
    except UnreadableError as error:
        return Prepared(reason=str(error)), b""
    small = resize(picture, size, how)
    return Prepared(pixel_digest(picture), pixel_digest(small)), to_webp(small)


def write_rejected(rejected: list[tuple[Source, str]], raw: Path, file: Path) -> None:
    """Write rejected.csv: source below data.raw (inert), class, reason."""
    rows = (
        (inert_path(source.file.relative_to(raw).as_posix()), source.class_name, reason)
        for source, reason in rejected
    )
    write_csv(("source", "class_name", "reason"), rows, file)


def check_rejected(
    sources: list[Source], rejected: list[tuple[Source, str]], max_rejected: float
) -> None:
    """Raise TenchError if more than `max_rejected` of any class (on all sides) is unreadable, or
    all of it on one side."""
    total = Counter(source.class_name for source in sources)
    lost = Counter(source.class_name for source, _ in rejected)
    over = sorted(name for name in lost if lost[name] / total[name] > max_rejected)
    if over:
        name = over[0]
        source, reason = next(pair for pair in rejected if pair[0].class_name == name)
        others = f" (and {len(over) - 1} more classes)" if over[1:] else ""
        raise TenchError(
            f"class {name}{others}: {lost[name]} of {total[name]} files unreadable, more than "
            f"data.max_rejected = {max_rejected} allows; first {source.file}: {reason}; all are "
            f"listed in {REJECTED}; remove or replace them, or raise data.max_rejected"
        )
    left = Counter((source.class_name, source.split) for source in sources)
    left.subtract((source.class_name, source.split) for source, _ in rejected)
    for (name, split), count in sorted(left.items()):
        if count == 0:
            where = f" in {split}" if split else ""
            raise TenchError(
                f"class {name}: no file{where} could be read; the reasons are in {REJECTED}"
            )
