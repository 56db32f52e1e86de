"""prepare: decode and resize every raw image once.

In:  data.raw, a folder in one of the layouts of docs/your-images.md.
Out: data/prepared/SPLIT/CLASS/*.zip (lossless WebP, RGB, data.image_size pixels square, hundreds
     per file), data/prepared/images.csv (one row per image), data/prepared/rejected.csv
     (unreadable files, with the reason), metrics/prepare.json (counts of both). SPLIT is train, val
     or test if the raw folder is already split, else images.
"""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.files import replace_folder, write_json
from tench.core.params import Data, load_params
from tench.core.paths import PREPARE_METRICS, PREPARED, PREPARED_INDEX, REJECTED
from tench.data.index import Row, is_imagenet_name, write_index
from tench.data.ingest.privacy import check_private
from tench.data.ingest.scan import scan_raw_folder
from tench.data.prepare.packing import plan_packs
from tench.data.prepare.prepare_images import (
    check_rejected,
    packed_name,
    prepare_packs,
    write_rejected,
)
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def prepare_dataset(data: Data, work: Path) -> dict[str, int]:
    """Write the prepared images; return the number of prepared and rejected images.

    Args:
        data: parameters.
        work: folder for the packs until all are finished; a run resumes after the packs that an
            equal, stopped run left there.
    """
    raw, folder = Path(data.raw), work / PREPARED.name
    packs = list(plan_packs(scan_raw_folder(raw, data.classes or {}, data.groups)))
    sources = [(source, pack.path) for pack in packs for source in pack.sources]
    results = prepare_packs(packs, raw, data.image_size, data.resize, work)
    classes = sorted({source.class_name for source, _ in sources})
    labels = {name: label for label, name in enumerate(classes)}
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
            seen=int(is_imagenet_name(source.file.relative_to(raw))),
            feature_row=len(rows),
            group=source.group,
        )
        rows.append(row)
    try:
        check_rejected([source for source, _ in sources], rejected, data.max_rejected)
    except TenchError:
        write_rejected(rejected, raw, REJECTED)
        raise
    write_index(rows, folder / PREPARED_INDEX.name)
    write_rejected(rejected, raw, folder / REJECTED.name)
    replace_folder(folder, PREPARED)
    return {"images": len(rows), "rejected": len(rejected)}


def main() -> None:
    data = load_params().data
    check_private(Path(data.raw))
    with resume_folder("prepare") as work:
        counts = prepare_dataset(data, work)
    write_json(counts, PREPARE_METRICS)
    if counts["rejected"]:
        print(f"{counts['rejected']} files could not be read; see {REJECTED}")


if __name__ == "__main__":
    run_stage(main, [PREPARED, PREPARE_METRICS])
