"""Write the audit's findings: three CSV lists, the counts, and images for the report."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tench.core.errors import TenchError
from tench.core.files import write_csv
from tench.core.names import MAX_FINDINGS, MAX_LABEL_FINDINGS
from tench.core.paths import AUDIT_IMAGES, DUPLICATES, IMAGE_ISSUES, LABEL_SUSPECTS
from tench.core.zip_packs import write_pack
from tench.data.audit.duplicates import PAIR_KINDS, DuplicatePair, find_leaks
from tench.data.audit.image_quality import ISSUE_KINDS, ImageIssue
from tench.data.audit.label_errors import LabelSuspect
from tench.data.index import Row
from tench.data.store.prepared_images import read_prepared_bytes

MAX_LEAKS_SHOWN = 20  # images listed in an error
DUPLICATE_COLUMNS = (
    *("kind", "similarity", "across_splits", "same_label"),
    *("first", "second", "first_source", "second_source"),
)
LABEL_COLUMNS = (
    *("path", "label", "suggestion"),
    *("label_probability", "suggestion_probability", "source"),
)
IMAGE_COLUMNS = ("path", "issue", "score", "source")


def write_audit_lists(
    pairs: Sequence[DuplicatePair], suspects: Sequence[LabelSuspect], issues: Sequence[ImageIssue]
) -> None:
    """Write duplicates.csv, labels.csv and images.csv in metrics/audit/."""
    write_csv(
        DUPLICATE_COLUMNS,
        (
            (
                *(pair.kind, f"{pair.similarity:.4f}"),
                *(int(pair.is_across_splits), int(pair.first.label == pair.second.label)),
                *(pair.first.path, pair.second.path, pair.first.source, pair.second.source),
            )
            for pair in pairs
        ),
        DUPLICATES,
    )
    write_csv(
        LABEL_COLUMNS,
        (
            (
                *(suspect.row.path, suspect.row.class_name, suspect.suggestion),
                *(f"{p:.4f}" for p in (suspect.label_probability, suspect.suggestion_probability)),
                suspect.row.source,
            )
            for suspect in suspects
        ),
        LABEL_SUSPECTS,
    )
    write_csv(
        IMAGE_COLUMNS,
        ((i.row.path, i.kind, f"{i.score:.4f}", i.row.source) for i in issues),
        IMAGE_ISSUES,
    )


def worst_findings(
    pairs: Sequence[DuplicatePair], suspects: Sequence[LabelSuspect], issues: Sequence[ImageIssue]
) -> list[Row]:
    """The rows of the worst findings of each kind, in feature order, for the report."""
    copies = [pair for pair in pairs if pair.kind != "similar"]
    kinds = (
        [pair for pair in copies if pair.is_across_splits],
        [pair for pair in copies if not pair.is_across_splits],
        [pair for pair in pairs if pair.kind == "similar"],
    )
    worst = {
        *(
            row
            for kind in kinds
            for pair in kind[:MAX_FINDINGS]
            for row in (pair.first, pair.second)
        ),
        *(suspect.row for suspect in suspects[:MAX_LABEL_FINDINGS]),
        *(issue.row for issue in issues[:MAX_FINDINGS]),
    }
    return sorted(worst, key=lambda row: row.feature_row)


def write_audit_images(rows: Sequence[Row]) -> None:
    """Write the prepared images of some rows in one pack, so that the report needs no others."""
    write_pack([(row.path, read_prepared_bytes(row)) for row in rows], AUDIT_IMAGES)


def class_balance(rows: Sequence[Row]) -> dict[str, float | int]:
    """Number of training images of the smallest and the largest class, and their ratio."""
    counts = Counter(row.label for row in rows if row.split == "train").values()
    return {
        "smallest_class": min(counts),
        "largest_class": max(counts),
        "ratio": max(counts) / min(counts),
    }


def summarize_audit(
    rows: Sequence[Row],
    pairs: Sequence[DuplicatePair],
    suspects: Sequence[LabelSuspect],
    issues: Sequence[ImageIssue],
) -> dict[str, Any]:
    """The content of metrics/audit.json: `leaks` counts images, `duplicates` counts pairs."""
    kinds = Counter(issue.kind for issue in issues)
    return {
        "images": len(rows),
        "leaks": len(find_leaks(pairs)),
        "duplicates": {
            kind: {
                "across_splits": sum(p.is_across_splits for p in pairs if p.kind == kind),
                "within_a_split": sum(not p.is_across_splits for p in pairs if p.kind == kind),
            }
            for kind in PAIR_KINDS
        },
        "label_suspects": len(suspects),
        "image_issues": {kind: kinds[kind] for kind in ISSUE_KINDS},
        "balance": class_balance(rows),
    }


def check_leaks(pairs: Sequence[DuplicatePair], max_leaks: int) -> None:
    """Raise TenchError if more than `max_leaks` images have a copy in another split."""
    leaks = find_leaks(pairs)
    if len(leaks) <= max_leaks:
        return
    lines = [
        f"  {pair.second.source} ({pair.second.split}) = {pair.first.source} "
        f"({pair.first.split}), {pair.kind}, {pair.similarity:.4f}"
        for pair in leaks[:MAX_LEAKS_SHOWN]
    ]
    more = [f"  and {len(leaks) - MAX_LEAKS_SHOWN} more"] if len(leaks) > MAX_LEAKS_SHOWN else []
    raise TenchError(
        f"{len(leaks)} images have a copy in another split, more than audit.max_leaks = {max_leaks}"
        ". The scores would be inflated:\n"
        + "\n".join(lines + more)
        + f"\nThe full list is {DUPLICATES}. Remove one image of each pair from the raw folder, or "
        "raise audit.max_leaks"
    )
