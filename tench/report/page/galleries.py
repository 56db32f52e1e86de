"""What the report shows of mistakes and of the audit, with images."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from PIL import Image

from tench.core.files import read_csv
from tench.core.names import MAX_FINDINGS, MAX_LABEL_FINDINGS
from tench.core.paths import AUDIT_IMAGES, DUPLICATES, IMAGE_ISSUES, LABEL_SUSPECTS, MISTAKES
from tench.core.zip_packs import read_from_pack
from tench.report.page.tables import Table, page_table, percent_text

THUMBNAIL_WIDTH = 112  # pixels a side
# Kinds of pairs, and what they are called; of the last the pixels do not say that they are one.
PAIR_TITLES = {
    "exact": "exact duplicates",
    "near": "near duplicates",
    "similar": "images that only look alike",
}
SIMILAR_TEXT = (
    "A suspicion, no more. To the backbone they are as alike as audit.near_duplicate says; the "
    "pixels do not confirm that one is the other again. Two photographs of one thing look like "
    "this, and so do two things of one kind. They do not count as leaks and no run fails for them. "
    "Look at those in two splits first: what belongs together should be in one."
)
LABEL_METHOD_TEXT = (
    "From heads that had not seen the image, by confident learning (Northcutt, Jiang and Chuang "
    "2021): cleanlab's filter prune_by_noise_rate. For any two classes a and b the confident joint "
    "estimates how many images are labeled a and are b: it counts those to which a head gives b "
    "with at least the probability that it gives on average to images labeled b. As many are "
    "listed, those labeled a whose probability of b exceeds that of a by the largest margin."
)

# names of a script that is written from right to left reorder nothing beside them
LABEL_SUSPECT_MARKUP = Markup("labeled <bdi>{}</bdi> ({}), looks like <bdi>{}</bdi> ({})")


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def thumbnail(path: str) -> dict[str, object]:
    """An image that the audit found, small, for an <img>."""
    with Image.open(io.BytesIO(read_from_pack(AUDIT_IMAGES / path))) as image:
        image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_WIDTH))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80)
        size = {"width": image.width, "height": image.height}
    return {"src": data_uri(out.getvalue(), "image/jpeg"), **size}


def error_gallery(predictions: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """The images in metrics/mistakes, RANK-ROW.jpg, with that row of predictions.csv."""
    shown = []
    for file in sorted(MISTAKES.glob("*.jpg")):
        row = predictions[int(file.stem.split("-")[1])]
        with Image.open(file) as image:
            width, height = image.size
        figures = {
            name: percent_text(float(row[name])) for name in ("probability", "label_probability")
        }
        uri = data_uri(file.read_bytes(), "image/jpeg")
        shown.append({**row, **figures, "image": uri, "width": width, "height": height})
    return shown


def audit_count_table(audit: dict[str, Any]) -> Table:
    """How many findings of each kind."""
    rows: list[tuple[object, ...]] = [
        (f"{text}, pairs {where.replace('_', ' ')}", audit["duplicates"][kind][where])
        for kind, text in PAIR_TITLES.items()
        for where in ("across_splits", "within_a_split")
    ]
    rows.append(("labels that look wrong", audit["label_suspects"]))
    rows += [(kind.replace("_", " "), n) for kind, n in audit["image_issues"].items()]
    return page_table(("finding", "number"), rows)


def finding_entry(paths: Sequence[str], text: str) -> dict[str, Any]:
    """A finding with the thumbnails of its images."""
    return {
        "images": [{**thumbnail(path), "alt": path} for path in paths],
        "text": text,
        "paths": paths,
    }


def finding_section(
    title: str, text: str, file: Path, entries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """The worst findings of one kind under a title, and where all of them are."""
    all_in = f"{file.as_posix()} has all of them, worst first."
    shown = f"{text} {all_in}".strip() if entries else "None."
    return {"title": title, "text": shown, "entries": entries}


def duplicate_sections(leaks: int) -> list[dict[str, Any]]:
    """Leaks, duplicates within a split, and what only looks alike.

    Args:
        leaks: number of images that are in an earlier split too.
    """
    pairs = read_csv(DUPLICATES)
    similar = [row for row in pairs if row["kind"] == "similar"]
    across, within = (
        [row for row in pairs if row["kind"] != "similar" and row["across_splits"] == flag]
        for flag in ("1", "0")
    )

    def shown(rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            finding_entry(
                [row["first"], row["second"]], f"{row['kind']}, {float(row['similarity']):.3f}"
            )
            for row in rows[:MAX_FINDINGS]
        ]

    title = f"Leaks: images that are in an earlier split too ({leaks})"
    text = f"Pairs: {len(across)}." if across else ""
    return [
        finding_section(title, text, DUPLICATES, shown(across)),
        finding_section(
            f"Duplicates within a split (pairs: {len(within)})", "", DUPLICATES, shown(within)
        ),
        finding_section(
            f"Alike, but not the same (pairs: {len(similar)})",
            SIMILAR_TEXT,
            DUPLICATES,
            shown(similar),
        ),
    ]


def audit_sections(leaks: int) -> list[dict[str, Any]]:
    """The worst findings of every kind with thumbnails.

    Args:
        leaks: number of images that are in an earlier split too.
    """
    labels, issues = read_csv(LABEL_SUSPECTS), read_csv(IMAGE_ISSUES)
    doubts = [
        finding_entry(
            [row["path"]],
            LABEL_SUSPECT_MARKUP.format(
                row["label"],
                percent_text(float(row["label_probability"])),
                row["suggestion"],
                percent_text(float(row["suggestion_probability"])),
            ),
        )
        for row in labels[:MAX_LABEL_FINDINGS]
    ]
    odd = [
        finding_entry(
            [row["path"]], f"{row['issue'].replace('_', ' ')}, score {float(row['score']):.3f}"
        )
        for row in issues[:MAX_FINDINGS]
    ]
    return [
        *duplicate_sections(leaks),
        finding_section(
            f"Labels that look wrong ({len(labels)})", LABEL_METHOD_TEXT, LABEL_SUSPECTS, doubts
        ),
        finding_section(f"Images hard to learn from ({len(issues)})", "", IMAGE_ISSUES, odd),
    ]
