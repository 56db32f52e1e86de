"""Image galleries of the report: classification errors and audit findings."""

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

THUMBNAIL_WIDTH = 112  # pixels
PAIR_TITLES = {
    "exact": "exact duplicates",
    "near": "near duplicates",
    "similar": "similar images",
}
SIMILAR_TEXT = (
    "Possible duplicates. Their features are as similar as audit.near_duplicate requires, but "
    "their pixels do not match. Two photos of one object look like this, and so do two objects of "
    "one kind. They do not count as leaks and do not stop a run. Check pairs in two splits first: "
    "images of one object should be in the same split."
)
LABEL_METHOD_TEXT = (
    "Found by confident learning (Northcutt, Jiang and Chuang 2021), with cleanlab's filter "
    "prune_by_noise_rate. Each image is predicted by a head that was not trained on it. For any "
    "two classes a and b, the confident joint estimates how many images labeled a are b. It counts "
    "images whose probability of b is at least the average over images labeled b. That many are "
    "listed: those whose probability of b exceeds that of a by the largest margin."
)

# <bdi> keeps right-to-left class names from reordering the text around them
LABEL_SUSPECT_MARKUP = Markup("labeled <bdi>{}</bdi> ({}), looks like <bdi>{}</bdi> ({})")


def data_uri(content: bytes, media_type: str) -> str:
    """Encode bytes as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def thumbnail(path: str) -> dict[str, object]:
    """Return the <img> attributes of a thumbnail of an audited image."""
    with Image.open(io.BytesIO(read_from_pack(AUDIT_IMAGES / path))) as image:
        image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_WIDTH))
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80)
        size = {"width": image.width, "height": image.height}
    return {"src": data_uri(out.getvalue(), "image/jpeg"), **size}


def error_gallery(predictions: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the images RANK-ROW.jpg in metrics/mistakes, each with its row of predictions.csv."""
    gallery = []
    for file in sorted(MISTAKES.glob("*.jpg")):
        row = predictions[int(file.stem.split("-")[1])]
        with Image.open(file) as image:
            width, height = image.size
        figures = {
            name: percent_text(float(row[name])) for name in ("probability", "label_probability")
        }
        uri = data_uri(file.read_bytes(), "image/jpeg")
        gallery.append({**row, **figures, "image": uri, "width": width, "height": height})
    return gallery


def audit_count_table(audit: dict[str, Any]) -> Table:
    """Return the number of findings of each kind."""
    rows: list[tuple[object, ...]] = [
        (f"{text}, pairs {where.replace('_', ' ')}", audit["duplicates"][kind][where])
        for kind, text in PAIR_TITLES.items()
        for where in ("across_splits", "within_a_split")
    ]
    rows.append(("labels that look wrong", audit["label_suspects"]))
    rows += [(kind.replace("_", " "), n) for kind, n in audit["image_issues"].items()]
    return page_table(("finding", "count"), rows)


def finding_entry(paths: Sequence[str], text: str) -> dict[str, Any]:
    """Return a finding with thumbnails of its images."""
    return {
        "images": [{**thumbnail(path), "alt": path} for path in paths],
        "text": text,
        "paths": paths,
    }


def finding_section(
    title: str, text: str, file: Path, entries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Return the worst findings of one kind, with a title and the file that lists all of them."""
    full_text = f"{text} {file.as_posix()} lists all of them, worst first.".strip()
    return {"title": title, "text": full_text if entries else "None.", "entries": entries}


def duplicate_sections(leaks: int) -> list[dict[str, Any]]:
    """Return the sections on leaks, duplicates within a split, and similar images.

    Args:
        leaks: Number of images with a duplicate in an earlier split.
    """
    pairs = read_csv(DUPLICATES)
    similar = [row for row in pairs if row["kind"] == "similar"]
    across, within = (
        [row for row in pairs if row["kind"] != "similar" and row["across_splits"] == flag]
        for flag in ("1", "0")
    )

    def entries(rows: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            finding_entry(
                [row["first"], row["second"]], f"{row['kind']}, {float(row['similarity']):.3f}"
            )
            for row in rows[:MAX_FINDINGS]
        ]

    title = f"Leaks: images that appear in more than one split ({leaks})"
    text = f"Pairs: {len(across)}." if across else ""
    return [
        finding_section(title, text, DUPLICATES, entries(across)),
        finding_section(
            f"Duplicates within a split (pairs: {len(within)})", "", DUPLICATES, entries(within)
        ),
        finding_section(
            f"Similar images (pairs: {len(similar)})",
            SIMILAR_TEXT,
            DUPLICATES,
            entries(similar),
        ),
    ]


def audit_sections(leaks: int) -> list[dict[str, Any]]:
    """Return the worst findings of every kind, with thumbnails.

    Args:
        leaks: Number of images with a duplicate in an earlier split.
    """
    labels, issues = read_csv(LABEL_SUSPECTS), read_csv(IMAGE_ISSUES)
    label_entries = [
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
    issue_entries = [
        finding_entry(
            [row["path"]], f"{row['issue'].replace('_', ' ')}, score {float(row['score']):.3f}"
        )
        for row in issues[:MAX_FINDINGS]
    ]
    return [
        *duplicate_sections(leaks),
        finding_section(
            f"Labels that look wrong ({len(labels)})",
            LABEL_METHOD_TEXT,
            LABEL_SUSPECTS,
            label_entries,
        ),
        finding_section(f"Image quality findings ({len(issues)})", "", IMAGE_ISSUES, issue_entries),
    ]
