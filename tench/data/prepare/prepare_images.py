"""Raw files to prepared images, and what is said of those that cannot be read."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.files import file_sha256, has_sha256, write_csv
from tench.core.names import ResizeMode, escape_formula_path
from tench.core.paths import PREPARED, REJECTED
from tench.core.zip_packs import write_pack
from tench.data.decode.decoder import UnreadableError
from tench.data.decode.raw_image import RawImage, decode_raw, load_content
from tench.data.decode.resize import pixel_digest, resize, to_webp
from tench.data.ingest.file_rules import PREPARED_SUFFIX
from tench.data.ingest.scan import SourceFile
from tench.data.prepare.packing import Pack
from tench.data.prepare.partial_pack import (
    PreparedImage,
    PrepareResult,
    read_partial_packs,
    resumed_images,
    save_partial_pack,
)
from tench.run.disk import check_free_space
from tench.run.executor.dispatch import open_executor
from tench.run.progress import progress_bar
from tench.run.resume import append_entry, read_entries

WEBP_SIZE_RATIO = 0.4  # what lossless WebP leaves of RGB, about


def packed_name(source: SourceFile) -> str:
    """What an image is called in its pack; its full name keeps a.jpg and a.png apart."""
    return f"{source.subfolder}{source.file.name}{PREPARED_SUFFIX}"


def prepare_packs(
    packs: Sequence[Pack], raw: Path, size: int, how: ResizeMode, work: Path
) -> list[PrepareResult]:
    """What became of every raw file, in their order; the packs of prepared images lie in the
    folder `prepared` of `work`. What an equal call left there that was stopped is taken over, of
    raw files that have not changed."""
    folder, journal = work / PREPARED.name, work / "packs.journal"
    images = work / "images.journal"  # of the pack that is being made
    stamps = {pack.path: pack_stamp(pack, raw) for pack in packs}
    before = {
        entry["pack"]: entry
        for entry in read_entries(journal)
        if entry["stamp"] == stamps.get(entry["pack"])
        and (not entry["sha256"] or has_sha256(folder / entry["pack"], entry["sha256"]))
    }
    to_make = {path: stamp for path, stamp in stamps.items() if path not in before}
    begun = read_partial_packs(images, to_make)
    left = [
        source.file
        for pack in packs
        if pack.path in to_make
        for source in pack.sources[len(begun.get(pack.path, [])) :]
    ]
    total = sum(len(pack.sources) for pack in packs)
    check_free_space(len(left) * 3 * size**2 * WEBP_SIZE_RATIO, work, "prepared images")

    results: list[PrepareResult] = []
    opened = partial(open_preparer, size, how)
    with progress_bar(None, "prepare", total) as bar, open_executor(opened, load_content) as mapped:
        made = mapped(map(RawImage, left))
        try:
            for pack in packs:
                if pack.path in before:
                    results += [PrepareResult(*one) for one in before[pack.path]["images"]]
                    bar.update(len(pack.sources))
                    continue
                known = begun.get(pack.path, [])
                stamp = stamps[pack.path]
                rest = islice(made, len(pack.sources) - len(known))
                those = resumed_images(
                    known, rest, partial(save_partial_pack, pack.path, stamp, images)
                )
                done, digest = write_prepared_pack(pack, those, folder / pack.path, bar)
                entry = {"pack": pack.path, "stamp": stamp, "sha256": digest}
                append_entry({**entry, "images": done}, journal)
                images.unlink(missing_ok=True)
                results += done
        except KeyboardInterrupt as stop:
            kept = len(results) + sum(map(len, read_partial_packs(images, to_make).values()))
            stop.add_note(f"prepare: {kept} of {total} images are kept")
            raise
    return results


def write_prepared_pack(
    pack: Pack, made: Iterator[PreparedImage], file: Path, bar: Any
) -> tuple[list[PrepareResult], str]:
    """Take the images of a pack as they are made, and write those that could be read; return what
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


def pack_stamp(pack: Pack, raw: Path) -> str:
    """By which the raw files of a pack are known to be the same and unchanged, as DVC does it: a
    digest of their names, sizes, and times of the last change in nanoseconds."""
    digest = hashlib.sha256()
    for source in pack.sources:
        name = source.file.relative_to(raw).as_posix()
        try:
            status = source.file.stat()
        except OSError:
            return ""  # reading it will say why
        stamp = [name, source.subfolder, source.group, status.st_size, status.st_mtime_ns]
        digest.update(json.dumps(stamp).encode())
    return digest.hexdigest()


@contextmanager
def open_preparer(size: int, how: ResizeMode) -> Iterator[Callable[[RawImage], PreparedImage]]:
    """`prepare_one`, as `spread` wants it."""
    yield partial(prepare_image, size=size, how=how)


def prepare_image(raw: RawImage, size: int, how: ResizeMode) -> PreparedImage:
    """Decode and resize one image; return what became of it, and itself as lossless WebP."""
    try:
        image = decode_raw(raw)
    except UnreadableError as error:
        return PrepareResult(reason=str(error)), b""
    small = resize(image, size, how)
    return PrepareResult(pixel_digest(image), pixel_digest(small)), to_webp(small)


def write_rejected(rejected: list[tuple[SourceFile, str]], raw: Path, file: Path) -> None:
    """Write rejected.csv: source below data.raw (inert), class, reason."""
    rows = (
        (escape_formula_path(source.file.relative_to(raw).as_posix()), source.class_name, reason)
        for source, reason in rejected
    )
    write_csv(("source", "class_name", "reason"), rows, file)


def check_rejected(
    sources: list[SourceFile], rejected: list[tuple[SourceFile, str]], max_rejected: float
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
