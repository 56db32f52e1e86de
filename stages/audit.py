"""audit: look for what is wrong with the pictures before anyone believes a score.

In:  data.raw, data/prepared/index.csv, data/features/pooled, audit, extract_train.dense_units,
     seed.
Out: metrics/audit.json (how many of each kind), metrics/audit/duplicates.csv (pairs, those across
     splits first), metrics/audit/labels.csv (labels that are probably wrong),
     metrics/audit/pictures.csv (dark, light, blurred, almost empty, of odd size or shape). The
     worst comes first in each.

The stage fails if more than audit.max_leaks pairs lie across splits: the test would then ask what
training has told.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tench.cli import TenchError, run_stage
from tench.duplicates import Pair, exact_pairs, near_pairs, worst_first
from tench.index import SPLITS, Row, labels_of, read_index
from tench.labels import Suspect, out_of_fold, suspects
from tench.params import Params, load_params
from tench.quality import KINDS, Issue, find_issues
from tench.shards import open_shards
from tench.tables import write_csv

POOLED = Path("data/features/pooled")
LISTS = Path("metrics/audit")
SHOWN = 20  # pairs in an error
DUPLICATES = (
    *("kind", "similarity", "across_splits", "same_label"),
    *("first", "second", "first_source", "second_source"),
)
LABELS = ("path", "label", "suggestion", "label_probability", "suggestion_probability", "source")
PICTURES = ("path", "issue", "score", "source")


def write_lists(pairs: Sequence[Pair], doubts: Sequence[Suspect], issues: Sequence[Issue]) -> None:
    """Write the three lists in metrics/audit/."""
    write_csv(
        DUPLICATES,
        (
            (
                *(pair.kind, f"{pair.similarity:.4f}"),
                *(int(pair.across), int(pair.first.label == pair.second.label)),
                *(pair.first.path, pair.second.path, pair.first.source, pair.second.source),
            )
            for pair in pairs
        ),
        LISTS / "duplicates.csv",
    )
    write_csv(
        LABELS,
        (
            (
                *(doubt.row.path, doubt.row.class_name, doubt.suggestion),
                *(f"{p:.4f}" for p in (doubt.label_probability, doubt.suggestion_probability)),
                doubt.row.source,
            )
            for doubt in doubts
        ),
        LISTS / "labels.csv",
    )
    write_csv(
        PICTURES,
        ((one.row.path, one.kind, f"{one.score:.4f}", one.row.source) for one in issues),
        LISTS / "pictures.csv",
    )


def balance(rows: Sequence[Row]) -> dict[str, float | int]:
    """Training pictures of the smallest and of the largest class, and their ratio."""
    counts = Counter(row.label for row in rows if row.split == "train").values()
    return {
        "smallest_class": min(counts),
        "largest_class": max(counts),
        "ratio": max(counts) / min(counts),
    }


def summarise(
    rows: Sequence[Row],
    pairs: Sequence[Pair],
    doubts: Sequence[Suspect],
    issues: Sequence[Issue],
) -> dict[str, Any]:
    """What metrics/audit.json holds."""
    kinds = Counter(issue.kind for issue in issues)
    return {
        "pictures": len(rows),
        "leaks": sum(pair.across for pair in pairs),
        "duplicates": {
            kind: {
                "across_splits": sum(p.across for p in pairs if p.kind == kind),
                "within_a_split": sum(not p.across for p in pairs if p.kind == kind),
            }
            for kind in ("exact", "near")
        },
        "label_suspects": len(doubts),
        "picture_issues": {kind: kinds[kind] for kind in KINDS},
        "balance": balance(rows),
    }


def check_leaks(pairs: Sequence[Pair], max_leaks: int) -> None:
    """Raise TenchError, with the pairs, if more than `max_leaks` lie across splits."""
    leaks = [pair for pair in pairs if pair.across]
    if len(leaks) <= max_leaks:
        return
    lines = [
        f"  {pair.first.source} ({pair.first.split}) = {pair.second.source} "
        f"({pair.second.split}), {pair.kind}, {pair.similarity:.4f}"
        for pair in leaks[:SHOWN]
    ]
    more = [f"  and {len(leaks) - SHOWN} more"] if len(leaks) > SHOWN else []
    raise TenchError(
        f"{len(leaks)} pictures are in two splits, more than audit.max_leaks = {max_leaks} allows; "
        "scores on them say nothing:\n"
        + "\n".join(lines + more)
        + f"\nAll are in {LISTS / 'duplicates.csv'}. Remove one of each pair from the raw folder, "
        "or raise audit.max_leaks (audit.near_duplicate says how alike counts)"
    )


def audit(params: Params, rows: list[Row]) -> None:
    """Write the lists and the counts; check the leaks."""
    parts = [open_shards(POOLED / split) for split in SPLITS]
    pairs = worst_first(exact_pairs(rows) + near_pairs(rows, parts, params.audit.near_duplicate))
    units = params.extract_train.dense_units
    doubts = suspects(rows, out_of_fold(parts, labels_of(rows), units, params.seed))
    issues = find_issues(rows, Path(params.data.raw))
    write_lists(pairs, doubts, issues)
    counts = json.dumps(summarise(rows, pairs, doubts, issues), indent=2)
    Path("metrics/audit.json").write_text(counts + "\n", encoding="utf-8")
    check_leaks(pairs, params.audit.max_leaks)


def main() -> None:
    audit(load_params(), read_index())


if __name__ == "__main__":
    run_stage(main)
