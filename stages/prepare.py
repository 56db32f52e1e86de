"""prepare: make a raw picture folder uniform.

In:  data.raw, a folder with train/ and val/, one sub-folder per class.
Out: data/prepared/{train,val,test}/CLASS/*.webp (lossless RGB, data.image_size pixels a side),
     data/prepared/index.csv (one row per picture), data/prepared/rejected.csv (what could not be
     read, and why), metrics/prepare.json (counts), metrics/examples.jpg (some of every class).
"""

import hashlib
import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from tench.cli import TenchError, in_threads, progress, run_stage
from tench.examples import contact_sheet
from tench.images import UnreadableError, read_picture, resize, write_prepared
from tench.index import FOLDER, SPLITS, Row, class_names, of_split, seen_by_backbone, write_index
from tench.params import Data, load_params
from tench.scan import Source, scan
from tench.splitting import hold_out
from tench.tables import write_csv

REJECTED = FOLDER / "rejected.csv"


def prepared_path(source: Source, split: str) -> str:
    """Where a picture goes, below data/prepared; its full name keeps a.jpg and a.png apart."""
    return f"{split}/{source.class_name}/{source.file.name}.webp"


class Prepared(NamedTuple):
    """What became of one raw file: its digests, or else the reason why it could not be read."""

    sha256: str = ""
    prepared_sha256: str = ""
    reason: str = ""


def pixel_digest(picture: Image.Image) -> str:
    """SHA-256 of a picture's mode, size and pixels."""
    header = f"{picture.mode} {picture.width} {picture.height}\n".encode()
    return hashlib.sha256(header + picture.tobytes()).hexdigest()


def prepare_one(source: Source, size: int) -> Prepared:
    """Decode, resize and write one picture."""
    try:
        picture = read_picture(source.file)
    except UnreadableError as error:
        return Prepared(reason=str(error))
    small = resize(picture, size)
    write_prepared(small, FOLDER / prepared_path(source, source.folder))
    return Prepared(pixel_digest(picture), pixel_digest(small))


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
    """Raise TenchError if more than `max_rejected` of any class (train and val) is unreadable, or
    all of it in one of the two."""
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
    left = Counter((source.class_name, source.folder) for source in sources)
    left.subtract((source.class_name, source.folder) for source, _ in rejected)
    for (name, folder), count in sorted(left.items()):
        if count == 0:
            raise TenchError(
                f"class {name}: no file in {folder}/ could be read; the reasons are in {REJECTED}"
            )


def prepare(data: Data, seed: int) -> tuple[list[Row], list[tuple[Source, str]]]:
    """Write the prepared pictures; return the index, train before val before test, and what was
    rejected with its reason."""
    raw = Path(data.raw)
    sources = scan(raw, data.classes or {})
    results = list(
        progress(
            in_threads(partial(prepare_one, size=data.image_size), sources),
            "prepare",
            len(sources),
        )
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    pairs = list(zip(sources, results, strict=True))
    rejected = [(source, result.reason) for source, result in pairs if result.reason]
    write_rejected(rejected, raw)
    check_rejected(sources, rejected, data.max_rejected)

    readable = [(source, result) for source, result in pairs if not result.reason]
    validation = [s for s, _ in readable if s.folder == "val"]
    places = hold_out([s.class_name for s in validation], data.test_fraction, seed)
    held = {validation[place] for place in places}
    labels = {name: n for n, name in enumerate(sorted({s.class_name for s in sources}))}
    rows = []
    for source, result in readable:
        split = "test" if source in held else source.folder
        path = prepared_path(source, split)
        if split == "test":
            (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
            (FOLDER / prepared_path(source, "val")).rename(FOLDER / path)
        rows.append(
            Row(
                path=path,
                split=split,
                label=labels[source.class_name],
                class_name=source.class_name,
                source=source.file.relative_to(raw).as_posix(),
                sha256=result.sha256,
                prepared_sha256=result.prepared_sha256,
                seen=int(seen_by_backbone(source.file.name)),
            )
        )
    return sorted(rows, key=lambda row: SPLITS.index(row.split)), rejected


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


def main() -> None:
    params = load_params()
    rows, rejected = prepare(params.data, params.seed)
    write_index(rows, FOLDER / "index.csv")
    metrics = Path("metrics")
    metrics.mkdir(exist_ok=True)
    text = json.dumps(counts(rows, rejected), indent=2, ensure_ascii=False) + "\n"
    (metrics / "prepare.json").write_text(text, encoding="utf-8")
    contact_sheet(rows, FOLDER).save(metrics / "examples.jpg", quality=85)
    if rejected:
        print(f"{len(rejected)} files could not be read; see {REJECTED}")


if __name__ == "__main__":
    run_stage(main)
