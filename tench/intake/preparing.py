"""Raw files to prepared pictures, and what is said of those that cannot be read."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tench.console.disk import need_room
from tench.console.progress import progress
from tench.core.errors import TenchError
from tench.core.files import file_sha256, is_file_of, sweep, write_csv
from tench.core.names import SPLITS, Fit, inert_path
from tench.core.parallel import in_threads
from tench.core.paths import PREPARED, REJECTED
from tench.core.unfinished import append, entries
from tench.intake.files import SUFFIX
from tench.intake.scan import Source
from tench.pictures.index import Row, class_names, of_split
from tench.pictures.prepared import pixel_digest, resize, write_prepared
from tench.pictures.reading import UnreadableError, read_picture

COMPRESSED = 0.4  # what lossless WebP leaves of RGB, about


def prepared_path(source: Source, split: str) -> str:
    """Where a picture goes, below data/prepared; its full name keeps a.jpg and a.png apart."""
    return f"{split}/{source.class_name}/{source.apart}{source.file.name}{SUFFIX}"


def first_path(source: Source) -> str:
    """Where a picture lies until all are read, and it is known on which side it is."""
    return f"pictures/{prepared_path(source, source.split or 'train')}"


class Prepared(NamedTuple):
    """What became of one raw file: its digests, or else the reason why it could not be read."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


def prepare_all(
    sources: Sequence[Source], raw: Path, size: int, how: Fit, work: Path
) -> list[Prepared]:
    """What became of every raw file, in their order; the prepared pictures lie in `work`. What an
    equal call left there that was stopped is taken over, of raw files that have not changed."""
    journal = work / "pictures.journal"
    before = {entry["source"]: entry for entry in entries(journal)}
    left = len(sources) - len(before)
    need_room(left * 3 * size**2 * COMPRESSED, work, "prepared pictures")

    def one(source: Source) -> Prepared:
        name = source.file.relative_to(raw).as_posix()
        stamp = stamp_of(source.file)
        target = work / first_path(source)
        was = before.get(name)
        if (
            was
            and was["stamp"] == stamp != []
            and (was["reason"] or is_file_of(target, was["file"]))
        ):
            return Prepared(was["sha256"], was["prepared_sha256"], was["reason"])
        now = prepare_one(source.file, size, how, target)
        digest = "" if now.reason else file_sha256(target)
        append({"source": name, "stamp": stamp, "file": digest, **now._asdict()}, journal)
        return now

    results: list[Prepared] = []
    try:
        results.extend(progress(in_threads(one, sources), "prepare", len(sources)))
    except KeyboardInterrupt as stop:
        stop.add_note(f"prepare: {len(results)} of {len(sources)} pictures are kept")
        raise
    return results


def stamp_of(file: Path) -> list[int]:
    """By which a raw file is known not to have changed, as DVC does it: size, and time of the last
    change in nanoseconds."""
    try:
        status = file.stat()
    except OSError:
        return []  # reading it will say why
    return [status.st_size, status.st_mtime_ns]


def prepare_one(raw: Path, size: int, how: Fit, target: Path) -> Prepared:
    """Decode, resize and write one picture."""
    try:
        picture = read_picture(raw)
    except UnreadableError as error:
        return Prepared(reason=str(error))
    small = resize(picture, size, how)
    write_prepared(small, target)
    return Prepared(pixel_digest(picture), pixel_digest(small))


def place_prepared(sources: Sequence[Source], paths: Sequence[str], work: Path) -> Path:
    """Move prepared pictures in `work` to their sides, in a folder of their own; return it.

    Args:
        sources: of the pictures.
        paths: where each goes, below that folder.
        work: where they lie, by their `first_path`.
    """
    folder = work / PREPARED.name
    sweep(folder)
    for source, path in zip(sources, paths, strict=True):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (work / first_path(source)).rename(folder / path)
    return folder


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


def counts(rows: list[Row], rejected: list[tuple[Source, str]]) -> dict[str, object]:
    """What metrics/prepare.json holds: pictures per split and class, seen, and rejected."""
    names = class_names(rows)
    summary: dict[str, object] = {"classes": len(names), "rejected": len(rejected)}
    for split in SPLITS:
        of_class = Counter(row.class_name for row in of_split(rows, split))
        summary[split] = {
            "pictures": of_class.total(),
            "seen_by_backbone": sum(row.seen for row in of_split(rows, split)),
            "per_class": {name: of_class[name] for name in names},
        }
    return summary
