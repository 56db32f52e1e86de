"""What the report shows of mistakes and of the audit, with pictures."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from tench.history import METRICS
from tench.index import FOLDER
from tench.tables import Table, percent, read_csv, table

THUMBNAIL = 112  # pixels a side
LISTED = 12  # of each kind of finding shown with pictures
LABELS_LISTED = 20


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def thumbnail(path: str) -> dict[str, object]:
    """A prepared picture, small, for an <img>."""
    with Image.open(FOLDER / path) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=80)
        size = {"width": picture.width, "height": picture.height}
    return {"src": data_uri(out.getvalue(), "image/jpeg"), **size}


def mistakes(predictions: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
    """The pictures in metrics/mistakes, RANK-ROW.jpg, with that row of predictions.csv."""
    shown = []
    for file in sorted((METRICS / "mistakes").glob("*.jpg")):
        row = predictions[int(file.stem.split("-")[1])]
        with Image.open(file) as picture:
            width, height = picture.size
        figures = {name: percent(float(row[name])) for name in ("probability", "label_probability")}
        image = data_uri(file.read_bytes(), "image/jpeg")
        shown.append({**row, **figures, "image": image, "width": width, "height": height})
    return shown


def audit_counts(audit: dict[str, Any]) -> Table:
    """How many findings of each kind."""
    rows: list[tuple[object, ...]] = []
    for kind, text in (("exact", "exact duplicates"), ("near", "near duplicates")):
        for where in ("across_splits", "within_a_split"):
            rows.append((f"{text} {where.replace('_', ' ')}", audit["duplicates"][kind][where]))
    rows.append(("labels that look wrong", audit["label_suspects"]))
    rows += [(kind.replace("_", " "), n) for kind, n in audit["picture_issues"].items()]
    return table(("finding", "number"), rows)


def entry(paths: Sequence[str], text: str) -> dict[str, Any]:
    """A finding with the thumbnails of its pictures."""
    return {
        "images": [{**thumbnail(path), "alt": path} for path in paths],
        "text": text,
        "paths": paths,
    }


def audit_lists() -> list[dict[str, Any]]:
    """The worst findings of every kind with thumbnails."""
    folder = METRICS / "audit"
    pairs = read_csv(folder / "duplicates.csv")
    leaks = [row for row in pairs if row["across_splits"] == "1"]
    within = [row for row in pairs if row["across_splits"] == "0"]
    labels, issues = read_csv(folder / "labels.csv"), read_csv(folder / "pictures.csv")

    def alike(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            entry([row["first"], row["second"]], f"{row['kind']}, {float(row['similarity']):.3f}")
            for row in rows[:LISTED]
        ]

    doubts = [
        entry(
            [row["path"]],
            f"labelled {row['label']} ({percent(float(row['label_probability']))}), looks like "
            f"{row['suggestion']} ({percent(float(row['suggestion_probability']))})",
        )
        for row in labels[:LABELS_LISTED]
    ]
    odd = [
        entry([row["path"]], f"{row['issue'].replace('_', ' ')}, score {float(row['score']):.3f}")
        for row in issues[:LISTED]
    ]
    all_in = "metrics/audit/{}.csv has all of them, worst first."
    return [
        {
            "title": f"Leaks: pictures in two splits ({len(leaks)})",
            "text": all_in.format("duplicates"),
            "entries": alike(leaks),
        },
        {
            "title": f"Duplicates within a split ({len(within)})",
            "text": all_in.format("duplicates"),
            "entries": alike(within),
        },
        {
            "title": f"Labels that look wrong ({len(labels)})",
            "text": "By confident learning, from heads that had not seen the picture. "
            + all_in.format("labels"),
            "entries": doubts,
        },
        {
            "title": f"Pictures hard to learn from ({len(issues)})",
            "text": all_in.format("pictures"),
            "entries": odd,
        },
    ]
