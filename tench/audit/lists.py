"""What the audit leaves: three lists, worst first, how many of each kind, and some pictures."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tench.audit.duplicates import KINDS as ALIKE
from tench.audit.duplicates import Pair, leaks
from tench.audit.labels import Suspect
from tench.audit.quality import KINDS, Issue
from tench.core.errors import TenchError
from tench.core.files import write_csv
from tench.core.names import LABELS_LISTED, LISTED
from tench.core.packs import write_pack
from tench.core.paths import DUPLICATES, FOUND, LABEL_SUSPECTS, PICTURE_ISSUES
from tench.pictures.checked import read_file
from tench.pictures.index import Row

SHOWN = 20  # pictures in an error
ALIKE_COLUMNS = (
    *("kind", "similarity", "across_splits", "same_label"),
    *("first", "second", "first_source", "second_source"),
)
LABEL_COLUMNS = (
    *("path", "label", "suggestion"),
    *("label_probability", "suggestion_probability", "source"),
)
PICTURE_COLUMNS = ("path", "issue", "score", "source")


def write_lists(pairs: Sequence[Pair], doubts: Sequence[Suspect], issues: Sequence[Issue]) -> None:
    """Write the three lists in metrics/audit/."""
    write_csv(
        ALIKE_COLUMNS,
        (
            (
                *(pair.kind, f"{pair.similarity:.4f}"),
                *(int(pair.across), int(pair.first.label == pair.second.label)),
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
                *(doubt.row.path, doubt.row.class_name, doubt.suggestion),
                *(f"{p:.4f}" for p in (doubt.label_probability, doubt.suggestion_probability)),
                doubt.row.source,
            )
            for doubt in doubts
        ),
        LABEL_SUSPECTS,
    )
    write_csv(
        PICTURE_COLUMNS,
        ((one.row.path, one.kind, f"{one.score:.4f}", one.row.source) for one in issues),
        PICTURE_ISSUES,
    )


def worst(pairs: Sequence[Pair], doubts: Sequence[Suspect], issues: Sequence[Issue]) -> list[Row]:
    """The rows of the first findings of each kind, which the report shows."""
    same = [pair for pair in pairs if pair.kind != "similar"]
    kinds = (
        [pair for pair in same if pair.across],
        [pair for pair in same if not pair.across],
        [pair for pair in pairs if pair.kind == "similar"],
    )
    found = {
        *(row for kind in kinds for pair in kind[:LISTED] for row in (pair.first, pair.second)),
        *(doubt.row for doubt in doubts[:LABELS_LISTED]),
        *(issue.row for issue in issues[:LISTED]),
    }
    return sorted(found, key=lambda row: row.place)


def write_found(rows: Sequence[Row]) -> None:
    """Write the prepared pictures of some rows in one pack, under their paths, so that the report
    needs no others."""
    write_pack([(row.path, read_file(row)) for row in rows], FOUND)


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
    """What metrics/audit.json holds: `leaks` are pictures, `duplicates` pairs."""
    kinds = Counter(issue.kind for issue in issues)
    return {
        "pictures": len(rows),
        "leaks": len(leaks(pairs)),
        "duplicates": {
            kind: {
                "across_splits": sum(p.across for p in pairs if p.kind == kind),
                "within_a_split": sum(not p.across for p in pairs if p.kind == kind),
            }
            for kind in ALIKE
        },
        "label_suspects": len(doubts),
        "picture_issues": {kind: kinds[kind] for kind in KINDS},
        "balance": balance(rows),
    }


def check_leaks(pairs: Sequence[Pair], max_leaks: int) -> None:
    """Raise TenchError, with the pictures, if more than `max_leaks` are in two splits."""
    found = leaks(pairs)
    if len(found) <= max_leaks:
        return
    lines = [
        f"  {pair.second.source} ({pair.second.split}) = {pair.first.source} "
        f"({pair.first.split}), {pair.kind}, {pair.similarity:.4f}"
        for pair in found[:SHOWN]
    ]
    more = [f"  and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    raise TenchError(
        f"{len(found)} pictures are in another split too, more than audit.max_leaks = {max_leaks} "
        "allows; scores on them say nothing:\n"
        + "\n".join(lines + more)
        + f"\nAll are in {DUPLICATES}. Remove one of each pair from the raw folder, or raise "
        "audit.max_leaks"
    )
