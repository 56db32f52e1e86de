"""audit: look for what is wrong with the pictures before anyone believes a score.

In:  data.raw, data/prepared, data/features/pooled, audit, extract_train.dense_units, seed.
Out: metrics/audit.json (how many of each kind), metrics/audit/duplicates.csv (pairs, those across
     splits first), metrics/audit/labels.csv (labels that are probably wrong),
     metrics/audit/pictures.csv (dark, light, blurred, almost empty, of odd size or shape), the
     worst first in each; metrics/audit/pictures.zip (those that the report shows).

The stage fails if more than audit.max_leaks pictures are in another split too, by their pixels: the
test would then ask what training has told. Pictures whose features alone are alike are listed.
"""

from pathlib import Path

from tench.audit.duplicates import exact_pairs, near_pairs, worst_first
from tench.audit.labels import out_of_fold, suspects
from tench.audit.lists import check_leaks, summarise, worst, write_found, write_lists
from tench.audit.quality import look_at
from tench.console.stage import run_stage
from tench.core.files import write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import AUDIT, LISTS, POOLED
from tench.pictures.index import Row, labels_of, of_split, read_index
from tench.pictures.shards import only, open_shards


def audit(params: Params, rows: list[Row]) -> None:
    """Write the lists and the counts; check the leaks."""
    shards = open_shards(POOLED, rows)
    parts = [only(shards, of_split(rows, split)) for split in SPLITS]
    issues, seen = look_at(rows, Path(params.data.raw))
    alike = near_pairs(rows, parts, seen, params.audit.near_duplicate)
    pairs = worst_first(exact_pairs(rows) + alike)
    units = params.extract_train.dense_units
    doubts = suspects(rows, out_of_fold(parts, labels_of(rows), units, params.seed))
    write_lists(pairs, doubts, issues)
    write_found(worst(pairs, doubts, issues))
    write_json(summarise(rows, pairs, doubts, issues), AUDIT)
    check_leaks(pairs, params.audit.max_leaks)


def main() -> None:
    audit(load_params(), read_index())


if __name__ == "__main__":
    run_stage(main, [AUDIT, LISTS])
