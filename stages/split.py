"""split: assign every image to train, val or test, unless the raw folder has splits.

In:  data/prepared, metrics/prepare.json, data.val_fraction, data.test_fraction, seed.
Out: data/split/index.csv: data/prepared/images.csv with the split of every image, train before val
     before test, the row order of all later stages;
     data/eval_subset/: the evaluation subset, those prepared images that evaluate and export need;
     metrics/split.json: number of images per split and class;
     metrics/examples.jpg: examples of every class.
"""

from tench.core.files import atomic_file, atomic_folder, read_json, write_json
from tench.core.names import SPLITS
from tench.core.params import Data, load_params
from tench.core.paths import (
    EVAL_SUBSET,
    EXAMPLES,
    INDEX,
    PREPARE_METRICS,
    PREPARED,
    PREPARED_INDEX,
    SPLIT,
    SPLIT_METRICS,
)
from tench.data.index import Row, read_index, write_index
from tench.data.split.assignment import assign_splits
from tench.data.split.eval_subset import select_eval_subset, write_eval_subset
from tench.data.split.overview import contact_sheet, count_images
from tench.run.runner import run_stage


def split_dataset(images: list[Row], data: Data, seed: int) -> list[Row]:
    """The images with their splits, train before val before test."""
    fractions = {"test": data.test_fraction, "val": data.val_fraction}
    splits = assign_splits(images, [row.sha256 for row in images], fractions, seed)
    rows = [row._replace(split=split) for row, split in zip(images, splits, strict=True)]
    return sorted(rows, key=lambda row: SPLITS.index(row.split))


def main() -> None:
    params = load_params()
    rows = split_dataset(read_index(PREPARED_INDEX), params.data, params.seed)
    with atomic_folder(SPLIT) as part:
        write_index(rows, part / INDEX.name)
    with atomic_folder(EVAL_SUBSET) as part:
        write_eval_subset(select_eval_subset(rows), part)
    write_json(count_images(rows, read_json(PREPARE_METRICS)["rejected"]), SPLIT_METRICS)
    with atomic_file(EXAMPLES) as image:
        contact_sheet(rows, PREPARED).save(image, quality=85)


if __name__ == "__main__":
    run_stage(main, [SPLIT, EVAL_SUBSET, SPLIT_METRICS, EXAMPLES])
