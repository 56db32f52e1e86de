"""One raw file to one prepared picture, and what is said of those that cannot be read."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.core.files import write_csv
from tench.core.names import SPLITS, Fit
from tench.core.paths import PREPARED, REJECTED
from tench.intake.files import SUFFIX
from tench.intake.scan import Source
from tench.pictures.index import Row, class_names, of_split
from tench.pictures.prepared import pixel_digest, resize, write_prepared
from tench.pictures.reading import UnreadableError, read_picture


def prepared_path(source: Source, split: str) -> str:
    """Where a picture goes, below data/prepared; its full name keeps a.jpg and a.png apart."""
    return f"{split}/{source.class_name}/{source.apart}{source.file.name}{SUFFIX}"


def first_path(source: Source) -> str:
    """Where a picture goes before it is known what it shows, and so on which side it is."""
    return prepared_path(source, source.split or "train")


class Prepared(NamedTuple):
    """What became of one raw file: its digests, or else the reason why it could not be read."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


def prepare_one(source: Source, size: int, how: Fit) -> Prepared:
    """Decode, resize and write one picture to its `first_path`."""
    try:
        picture = read_picture(source.file)
    except UnreadableError as error:
        return Prepared(reason=str(error))
    small = resize(picture, size, how)
    write_prepared(small, PREPARED / first_path(source))
    return Prepared(pixel_digest(picture), pixel_digest(small))


def move_prepared(source: Source, split: str) -> str:
    """Move a picture from its `first_path` to its side; return where it is now."""
    first, path = first_path(source), prepared_path(source, split)
    if path != first:
        (PREPARED / path).parent.mkdir(parents=True, exist_ok=True)
        (PREPARED / first).rename(PREPARED / path)
    return path


def write_rejected(rejected: list[tuple[Source, str]], raw: Path) -> None:
    """Write rejected.csv: source below data.raw, class, reason."""
    rows = (
        (source.file.relative_to(raw).as_posix(), source.class_name, reason)
        for source, reason in rejected
    )
    write_csv(("source", "class_name", "reason"), rows, REJECTED)


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
