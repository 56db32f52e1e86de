"""Decode, resize and pack raw images, and report unreadable files."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError, UnreadableError
from tench.core.files import file_sha256, has_sha256, write_csv
from tench.core.names import ResizeMode
from tench.core.paths import PREPARED, REJECTED
from tench.core.zip_packs import write_pack
from tench.data.decode.raw_image import RawImage, decode_raw, load_content
from tench.data.decode.resize import pixel_digest, resize, to_webp
from tench.data.ingest.file_rules import PREPARED_SUFFIX
from tench.data.ingest.scan import SourceFile
from tench.data.prepare.packing import Pack
from tench.run.disk import check_free_space
from tench.run.executor.dispatch import open_executor
from tench.run.progress import progress_bar
from tench.run.resume import append_entry, read_entries

WEBP_SIZE_RATIO = 0.4  # approximate size of lossless WebP relative to RGB


class PrepareResult(NamedTuple):
    """Result for one raw file: its digests, or why it is unreadable."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


PreparedImage = tuple[PrepareResult, bytes]  # with the prepared image, as WebP


def packed_name(source: SourceFile) -> str:
    """Name of an image in its pack. It contains the raw suffix, so a.jpg and a.png differ."""
    return f"{source.subfolder}{source.file.name}{PREPARED_SUFFIX}"


def prepare_packs(
    packs: Sequence[Pack], raw: Path, size: int, how: ResizeMode, work: Path
) -> list[PrepareResult]:
    """Write the packs below `work`, without those that a stopped run has finished there.

    A pack is only written if it has a readable image.

    Args:
        packs: the packs.
        raw: raw folder.
        size: width and height of prepared images, in pixels.
        how: how images become square.
        work: folder of this run; the packs go to its subfolder `prepared`.

    Returns:
        The result for each raw file, in the order of the packs.
    """
    folder, journal = work / PREPARED.name, work / "packs.journal"
    stamps = {pack.path: pack_stamp(pack, raw) for pack in packs}
    finished = {
        entry["pack"]: entry
        for entry in read_entries(journal)
        if entry["stamp"] == stamps.get(entry["pack"])
        and (not entry["sha256"] or has_sha256(folder / entry["pack"], entry["sha256"]))
    }
    files = [source.file for pack in packs if pack.path not in finished for source in pack.sources]
    total = sum(len(pack.sources) for pack in packs)
    check_free_space(len(files) * 3 * size**2 * WEBP_SIZE_RATIO, work, "prepared images")

    results: list[PrepareResult] = []
    preparer = partial(open_preparer, size, how)
    with progress_bar(None, "prepare", total) as bar, open_executor(preparer, load_content) as run:
        prepared = run(map(RawImage, files))
        try:
            for pack in packs:
                if pack.path in finished:
                    results += [PrepareResult(*result) for result in finished[pack.path]["images"]]
                    bar.update(len(pack.sources))
                    continue
                images = []
                for image in islice(prepared, len(pack.sources)):
                    images.append(image)
                    bar.update(1)
                digest = write_prepared_pack(pack, images, folder / pack.path)
                entry = {"pack": pack.path, "stamp": stamps[pack.path], "sha256": digest}
                append_entry({**entry, "images": [result for result, _ in images]}, journal)
                results += [result for result, _ in images]
        except KeyboardInterrupt as stop:
            stop.add_note(f"prepare: {len(results)} of {total} images are finished")
            raise
    return results


def write_prepared_pack(pack: Pack, images: Sequence[PreparedImage], file: Path) -> str:
    """Write the readable images of a pack; return its SHA-256, or "" if there are none."""
    content = [
        (packed_name(source), webp)
        for source, (result, webp) in zip(pack.sources, images, strict=True)
        if not result.reason
    ]
    if not content:
        return ""
    write_pack(content, file)
    return file_sha256(file)


def pack_stamp(pack: Pack, raw: Path) -> str:
    """Digest of the names, sizes and modification times of the raw files of a pack.

    DVC detects changes in the same way. "" if a file cannot be examined.
    """
    digest = hashlib.sha256()
    for source in pack.sources:
        name = source.file.relative_to(raw).as_posix()
        try:
            status = source.file.stat()
        except OSError:
            return ""  # reading the file reports the error
        stamp = [name, source.subfolder, source.group, status.st_size, status.st_mtime_ns]
        digest.update(json.dumps(stamp).encode())
    return digest.hexdigest()


@contextmanager
def open_preparer(size: int, how: ResizeMode) -> Iterator[Callable[[RawImage], PreparedImage]]:
    """Yield `prepare_image` with its parameters, for `open_executor`."""
    yield partial(prepare_image, size=size, how=how)


def prepare_image(raw: RawImage, size: int, how: ResizeMode) -> PreparedImage:
    """Decode and resize one image; return its result and the image as lossless WebP."""
    try:
        image = decode_raw(raw)
    except UnreadableError as error:
        return PrepareResult(reason=str(error)), b""
    small = resize(image, size, how)
    return PrepareResult(pixel_digest(image), pixel_digest(small)), to_webp(small)


def write_rejected(rejected: list[tuple[SourceFile, str]], raw: Path, file: Path) -> None:
    """Write rejected.csv: source below data.raw, class_name, reason."""
    rows = (
        (source.file.relative_to(raw).as_posix(), source.class_name, reason)
        for source, reason in rejected
    )
    write_csv(("source", "class_name", "reason"), rows, file)


def check_rejected(
    sources: list[SourceFile], rejected: list[tuple[SourceFile, str]], max_rejected: float
) -> None:
    """Check how many files of each class are unreadable.

    Raises TenchError if the share is more than `max_rejected` in any class, or all files of a class
    in one split are unreadable.
    """
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
            raise TenchError(f"class {name}: all files{where} are unreadable; see {REJECTED}")
