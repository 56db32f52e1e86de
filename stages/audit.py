"""audit: look for what is wrong with the images before anyone believes a score.

In:  data.raw, data/prepared, data/features/pooled, audit, extract_train.dense_units, seed.
Out: metrics/audit.json (how many of each kind), metrics/audit/duplicates.csv (pairs, those across
     splits first), metrics/audit/labels.csv (labels that are probably wrong),
     metrics/audit/images.csv (dark, light, blurred, almost empty, of odd size or shape), the
     worst first in each; metrics/audit/images.zip (those that the report shows).

The stage fails if more than audit.max_leaks images are in another split too, by their pixels: the
test would then ask what training has told. Images whose features alone are alike are listed.
"""

from pathlib import Path

from tench.core.files import write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import AUDIT_DIR, AUDIT_METRICS, POOLED_FEATURES
from tench.data.audit.duplicates import (
    find_exact_duplicates,
    find_near_duplicates,
    sort_worst_first,
)
from tench.data.audit.findings import (
    check_leaks,
    summarize_audit,
    worst_findings,
    write_audit_images,
    write_audit_lists,
)
from tench.data.audit.image_quality import check_image_quality
from tench.data.audit.label_errors import find_label_suspects, fit_out_of_fold
from tench.data.index import Row, read_index, row_labels, rows_in_split
from tench.data.store.shards import open_shards, select_rows
from tench.run.runner import run_stage


def audit_images(params: Params, rows: list[Row]) -> None:
    """Write the lists and the counts; check the leaks."""
    shards = open_shards(POOLED_FEATURES, rows)
    parts = [select_rows(shards, rows_in_split(rows, split)) for split in SPLITS]
    issues, seen = check_image_quality(rows, Path(params.data.raw))
    alike = find_near_duplicates(rows, parts, seen, params.audit.near_duplicate)
    pairs = sort_worst_first(find_exact_duplicates(rows) + alike)
    units = params.extract_train.dense_units
    doubts = find_label_suspects(rows, fit_out_of_fold(parts, row_labels(rows), units, params.seed))
    write_audit_lists(pairs, doubts, issues)
    write_audit_images(worst_findings(pairs, doubts, issues))
    write_json(summarize_audit(rows, pairs, doubts, issues), AUDIT_METRICS)
    check_leaks(pairs, params.audit.max_leaks)


def main() -> None:
    audit_images(load_params(), read_index())


if __name__ == "__main__":
    run_stage(main, [AUDIT_METRICS, AUDIT_DIR])
