"""What the report shows of mistakes and of the audit, with pictures."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from tench.core.files import read_csv
from tench.core.names import LABELS_LISTED, LISTED
from tench.core.packs import read_packed
from tench.core.paths import DUPLICATES, FOUND, LABEL_SUSPECTS, MISTAKES, PICTURE_ISSUES
from tench.reporting.tables import Table, page_table, percent

THUMBNAIL = 112  # pixels a side
# Kinds of pairs, and what they are called; of the last the pixels do not say that they are one.
ALIKE = {
    "exact": "exact duplicates",
    "near": "near duplicates",
    "similar": "pictures that only look alike",
}
LOOK = (
    "A suspicion, no more. To the backbone they are as alike as audit.near_duplicate says; the "
    "pixels do not confirm that one is the other again. Two photographs of one thing look like "
    "this, and so do two things of one kind. They do not count as leaks and no run fails for them. "
    "Look at those in two splits first: what belongs together should be in one."
)
FINDER = (
    "From heads that had not seen the picture, by confident learning (Northcutt, Jiang and Chuang "
    "2021): cleanlab's filter prune_by_noise_rate. For any two classes a and b the confident joint "
    "estimates how many pictures are labelled a and are b: it counts those to which a head gives b "
    "with at least the probability that it gives on average to pictures labelled b. As many are "
    "listed, those labelled a whose probability of b exceeds that of a by the largest margin."
)

# names of a script that is written from right to left reorder nothing beside them
SUSPECT = Markup("labelled <bdi>{}</bdi> ({}), looks like <bdi>{}</bdi> ({})")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def thumbnail(path: str) -> dict[str, object]:
    """A picture that the audit found, small, for an <img>."""
    with Image.open(io.BytesIO(read_packed(FOUND / path))) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=80)
        size = {"width": picture.width, "height": picture.height}
    return {"src": data_uri(out.getvalue(), "image/jpeg"), **size}


def mistakes(predictions: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """The pictures in metrics/mistakes, RANK-ROW.jpg, with that row of predictions.csv."""
    shown = []
    for file in sorted(MISTAKES.glob("*.jpg")):
        row = predictions[int(file.stem.split("-")[1])]
        with Image.open(file) as picture:
            width, height = picture.size
        figures = {name: percent(float(row[name])) for name in ("probability", "label_probability")}
        image = data_uri(file.read_bytes(), "image/jpeg")
        shown.append({**row, **figures, "image": image, "width": width, "height": height})
    return shown


def audit_counts(audit: dict[str, Any]) -> Table:
    """How many findings of each kind."""
    rows: list[tuple[object, ...]] = [
        (f"{text}, pairs {where.replace('_', ' ')}", audit["duplicates"][kind][where])
        for kind, text in ALIKE.items()
        for where in ("across_splits", "within_a_split")
    ]
    rows.append(("labels that look wrong", audit["label_suspects"]))
    rows += [(kind.replace("_", " "), n) for kind, n in audit["picture_issues"].items()]
    return page_table(("finding", "number"), rows)


def entry(paths: Sequence[str], text: str) -> dict[str, Any]:
    """A finding with the thumbnails of its pictures."""
    return {
        "images": [{**thumbnail(path), "alt": path} for path in paths],
        "text": text,
        "paths": paths,
    }


def section(title: str, text: str, file: Path, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The worst findings of one kind under a title, and where all of them are."""
    all_in = f"{file.as_posix()} has all of them, worst first."
    shown = f"{text} {all_in}".strip() if entries else "None."
    return {"title": title, "text": shown, "entries": entries}


def pairs_alike(leaks: int) -> list[dict[str, Any]]:
    """Leaks, duplicates within a split, and what only looks alike.

    Args:
        leaks: number of pictures that are in an earlier split too.
    """
    pairs = read_csv(DUPLICATES)
    similar = [row for row in pairs if row["kind"] == "similar"]
    across, within = (
        [row for row in pairs if row["kind"] != "similar" and row["across_splits"] == flag]
        for flag in ("1", "0")
    )

    def shown(rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            entry([row["first"], row["second"]], f"{row['kind']}, {float(row['similarity']):.3f}")
            for row in rows[:LISTED]
        ]

    title = f"Leaks: pictures that are in an earlier split too ({leaks})"
    text = f"Pairs: {len(across)}." if across else ""
    return [
        section(title, text, DUPLICATES, shown(across)),
        section(f"Duplicates within a split (pairs: {len(within)})", "", DUPLICATES, shown(within)),
        section(
            f"Alike, but not the same (pairs: {len(similar)})", LOOK, DUPLICATES, shown(similar)
        ),
    ]


def audit_lists(leaks: int) -> list[dict[str, Any]]:
    """The worst findings of every kind with thumbnails.

    Args:
        leaks: number of pictures that are in an earlier split too.
    """
    labels, issues = read_csv(LABEL_SUSPECTS), read_csv(PICTURE_ISSUES)
    doubts = [
        entry(
            [row["path"]],
            SUSPECT.format(
                row["label"],
                percent(float(row["label_probability"])),
                row["suggestion"],
                percent(float(row["suggestion_probability"])),
            ),
        )
        for row in labels[:LABELS_LISTED]
    ]
    odd = [
        entry([row["path"]], f"{row['issue'].replace('_', ' ')}, score {float(row['score']):.3f}")
        for row in issues[:LISTED]
    ]
    return [
        *pairs_alike(leaks),
        section(f"Labels that look wrong ({len(labels)})", FINDER, LABEL_SUSPECTS, doubts),
        section(f"Pictures hard to learn from ({len(issues)})", "", PICTURE_ISSUES, odd),
    ]
