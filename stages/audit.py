"""audit: find leaks between splits, wrong labels and bad images.

In:  data.raw, data/prepared, data/split/index.csv, data/features/pooled, audit,
     extract_train.dense_units, seed.
Out: metrics/audit.json: number of findings of each kind;
     metrics/audit/duplicates.csv: pairs of duplicates, those across splits first;
     metrics/audit/labels.csv: labels that are probably wrong, the worst first;
     metrics/audit/images.csv: dark, light, blurred, almost empty images, and those of odd size
     or shape, the worst first;
     metrics/audit/images.zip: the images that the report shows.

The stage fails if more than audit.max_leaks images appear in more than one split, since the test
score would be inflated. Images that are similar only by their features are listed.
"""

from pathlib import Path
from typing import NamedTuple

from tench.core.files import write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import AUDIT_DIR, AUDIT_METRICS, POOLED_FEATURES
from tench.data.audit.duplicates import (
    DuplicatePair,
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
from tench.data.audit.image_quality import ImageIssue, check_image_quality
from tench.data.audit.label_errors import LabelSuspect, find_label_suspects, fit_out_of_fold
from tench.data.index import Row, read_index, row_labels, rows_in_split
from tench.data.store.shards import open_shards, select_rows
from tench.run.runner import run_stage


class Findings(NamedTuple):
    """What the audit found, the worst first in each list."""

    pairs: list[DuplicatePair]
    suspects: list[LabelSuspect]
    issues: list[ImageIssue]


def audit_images(params: Params, rows: list[Row]) -> Findings:
    """Find duplicates, wrong labels and bad images among the rows of the index."""
    shards = open_shards(POOLED_FEATURES, rows)
    parts = [select_rows(shards, rows_in_split(rows, split)) for split in SPLITS]
    issues, thumbnails = check_image_quality(rows, Path(params.data.raw))
    near = find_near_duplicates(rows, parts, thumbnails, params.audit.near_duplicate)
    pairs = sort_worst_first(find_exact_duplicates(rows) + near)
    units = params.extract_train.dense_units
    predict = fit_out_of_fold(parts, row_labels(rows), units, params.seed)
    return Findings(pairs, find_label_suspects(rows, predict), issues)


def main() -> None:
    params, rows = load_params(), read_index()
    findings = audit_images(params, rows)
    write_audit_lists(*findings)
    write_audit_images(worst_findings(*findings))
    write_json(summarize_audit(rows, *findings), AUDIT_METRICS)
    check_leaks(findings.pairs, params.audit.max_leaks)


if __name__ == "__main__":
    run_stage(main, [AUDIT_METRICS, AUDIT_DIR])
