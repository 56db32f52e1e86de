"""prepare: make a raw picture folder uniform.

In:  data.raw, a folder in one of the layouts of docs/your-pictures.md.
Out: data/prepared/{train,val,test}/CLASS/*.webp (lossless RGB, data.image_size pixels a side),
     data/prepared/index.csv (one row per picture), data/prepared/rejected.csv (what could not be
     read, and why), metrics/prepare.json (counts), metrics/examples.jpg (some of every class).
"""

from pathlib import Path

from tench.console.stage import run_stage
from tench.core.errors import TenchError
from tench.core.files import take_place, whole, write_json
from tench.core.names import SPLITS
from tench.core.params import Data, load_params
from tench.core.paths import COUNTS, EXAMPLES, INDEX, PREPARED, REJECTED
from tench.core.unfinished import unfinished
from tench.intake.overview import contact_sheet
from tench.intake.preparing import (
    check_rejected,
    counts,
    place_prepared,
    prepare_all,
    prepared_path,
    write_rejected,
)
from tench.intake.scan import Source, scan
from tench.intake.splitting import choose_sides
from tench.pictures.index import Row, seen_by_backbone, write_index


def prepare(data: Data, seed: int, work: Path) -> tuple[list[Row], list[tuple[Source, str]]]:
    """Write the prepared pictures; return the index, train before val before test, and what was
    rejected with its reason.

    Args:
        data: parameters.
        seed: of the draw.
        work: where pictures lie until all are done; those that an equal run left there that was
            stopped are taken over.
    """
    raw = Path(data.raw)
    sources = scan(raw, data.classes or {}, data.groups)
    results = prepare_all(sources, raw, data.image_size, data.resize, work)
    pairs = list(zip(sources, results, strict=True))
    rejected = [(source, result.reason) for source, result in pairs if result.reason]
    try:
        check_rejected(sources, rejected, data.max_rejected)
    except TenchError:
        write_rejected(rejected, raw, REJECTED)
        raise

    readable = [(source, result) for source, result in pairs if not result.reason]
    sides = choose_sides(
        [source for source, _ in readable],
        [result.sha256 for _, result in readable],
        {"test": data.test_fraction, "val": data.val_fraction},
        seed,
    )
    labels = {name: n for n, name in enumerate(sorted({s.class_name for s in sources}))}
    rows = [
        Row(
            path=prepared_path(source, split),
            split=split,
            label=labels[source.class_name],
            class_name=source.class_name,
            source=source.file.relative_to(raw).as_posix(),
            sha256=result.sha256,
            prepared_sha256=result.prepared_sha256,
            seen=int(seen_by_backbone(source.file.name)),
            group=source.group,
        )
        for (source, result), split in zip(readable, sides, strict=True)
    ]
    folder = place_prepared([source for source, _ in readable], [row.path for row in rows], work)
    rows.sort(key=lambda row: SPLITS.index(row.split))
    write_index(rows, folder / INDEX.name)
    write_rejected(rejected, raw, folder / REJECTED.name)
    take_place(folder, PREPARED)
    return rows, rejected


def main() -> None:
    params = load_params()
    with unfinished("prepare") as work:
        rows, rejected = prepare(params.data, params.seed, work)
    write_json(counts(rows, rejected), COUNTS)
    with whole(EXAMPLES) as part:
        contact_sheet(rows, PREPARED).save(part, quality=85)
    if rejected:
        print(f"{len(rejected)} files could not be read; see {REJECTED}")


if __name__ == "__main__":
    run_stage(main, [COUNTS, EXAMPLES])
