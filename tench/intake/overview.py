"""What there is of every class: how many pictures, and some of them (figure 8 of the paper)."""

import io
from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tench.core.names import SPLITS
from tench.core.packs import read_packed
from tench.pictures.index import Row, class_names, of_split

TILE = 96  # pixels a side of one picture
PICTURES = 3  # of each class, side by side
COLUMNS = 3  # classes side by side
SHOWN = 99  # classes at most: a page of a thousand is none, and JPEG ends at 65,535 pixels
MARGIN = 12
CAPTION = 22


def contact_sheet(rows: list[Row], folder: Path) -> Image.Image:
    """Draw PICTURES training pictures of every class, evenly spaced in the index, under its name;
    of more than SHOWN classes the first, and how many there are.

    Args:
        rows: the index.
        folder: what the index's paths are below.

    Returns:
        An RGB image, as many rows of COLUMNS classes as it takes.
    """
    every = class_names(rows)
    names = every[:SHOWN]
    files: dict[str, list[str]] = {name: [] for name in every}
    for row in rows:
        if row.split == "train":
            files[row.class_name].append(row.path)
    wide, high = PICTURES * TILE + MARGIN, TILE + CAPTION + MARGIN
    note = CAPTION + MARGIN if every[SHOWN:] else 0
    size = (COLUMNS * wide + MARGIN, -(-len(names) // COLUMNS) * high + MARGIN + note)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for label, name in enumerate(names):
        left = MARGIN + label % COLUMNS * wide
        top = MARGIN + label // COLUMNS * high
        text = name
        while draw.textlength(text, font) > wide - MARGIN:
            text = text.removesuffix("…")[:-1] + "…"
        draw.text((left, top), text, "black", font)
        of_class = files[name]
        for place in range(min(PICTURES, len(of_class))):
            file = of_class[place * len(of_class) // PICTURES]
            with Image.open(io.BytesIO(read_packed(folder / file))) as picture:
                tile = picture.resize((TILE, TILE), Image.Resampling.BILINEAR)
                sheet.paste(tile, (left + place * TILE, top + CAPTION))
    if note:
        text = f"and {len(every) - SHOWN} more classes"
        draw.text((MARGIN, size[1] - note), text, "black", font)
    return sheet


def counts(rows: list[Row], rejected: int) -> dict[str, object]:
    """What metrics/split.json holds: pictures per split and class, seen, and rejected."""
    names = class_names(rows)
    summary: dict[str, object] = {"classes": len(names), "rejected": rejected}
    for split in SPLITS:
        part = of_split(rows, split)
        of_class = Counter(row.class_name for row in part)
        summary[split] = {
            "pictures": len(part),
            "seen_by_backbone": sum(row.seen for row in part),
            "per_class": {name: of_class[name] for name in names},
        }
    return summary
