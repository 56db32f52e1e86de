"""prepare: make a raw picture folder uniform.

In:  data.raw, a folder in one of the layouts of docs/your-pictures.md.
Out: data/prepared/SIDE/CLASS/*.zip (lossless WebP, RGB, data.image_size pixels a side, some hundred
     pictures a file), data/prepared/pictures.csv (one row per picture), data/prepared/rejected.csv
     (what could not be read, and why), metrics/prepare.json (how many of both). SIDE is train, val
     or test where the raw folder says it, else pictures.
"""

from pathlib import Path

from tench.console.stage import run_stage
from tench.core.errors import TenchError
from tench.core.files import take_place, write_json
from tench.core.params import Data, load_params
from tench.core.paths import PICTURES, PREPARED, READ, REJECTED
from tench.core.unfinished import unfinished
from tench.intake.packing import packs_of
from tench.intake.preparing import check_rejected, packed_name, prepare_all, write_rejected
from tench.intake.privacy import check_private
from tench.intake.scan import scan
from tench.pictures.index import Row, seen_by_backbone, write_index


def prepare(data: Data, work: Path) -> dict[str, int]:
    """Write the prepared pictures; return how many there are, and how many were rejected.

    Args:
        data: parameters.
        work: where pictures lie until all are done; those that an equal run left there that was
            stopped are taken over.
    """
    raw, folder = Path(data.raw), work / PREPARED.name
    packs = list(packs_of(scan(raw, data.classes or {}, data.groups)))
    sources = [(source, pack.path) for pack in packs for source in pack.sources]
    results = prepare_all(packs, raw, data.image_size, data.resize, work)
    labels = {name: n for n, name in enumerate(sorted({one.class_name for one, _ in sources}))}
    rows: list[Row] = []
    rejected = []
    for (source, pack), result in zip(sources, results, strict=True):
        if result.reason:
            rejected.append((source, result.reason))
            continue
        row = Row(
            path=f"{pack}/{packed_name(source)}",
            split=source.split,
            label=labels[source.class_name],
            class_name=source.class_name,
            source=source.file.relative_to(raw).as_posix(),
            sha256=result.sha256,
            prepared_sha256=result.prepared_sha256,
            seen=int(seen_by_backbone(source.file.relative_to(raw))),
            place=len(rows),
            group=source.group,
        )
        rows.append(row)
    try:
        check_rejected([source for source, _ in sources], rejected, data.max_rejected)
    except TenchError:
        write_rejected(rejected, raw, REJECTED)
        raise
    write_index(rows, folder / PICTURES.name)
    write_rejected(rejected, raw, folder / REJECTED.name)
    take_place(folder, PREPARED)
    return {"pictures": len(rows), "rejected": len(rejected)}


def main() -> None:
    data = load_params().data
    check_private(Path(data.raw))
    with unfinished("prepare") as work:
        counts = prepare(data, work)
    write_json(counts, READ)
    if counts["rejected"]:
        print(f"{counts['rejected']} files could not be read; see {REJECTED}")


if __name__ == "__main__":
    run_stage(main, [PREPARED, READ])
