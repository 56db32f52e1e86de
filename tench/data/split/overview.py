"""What there is of every class: how many images, and some of them (figure 8 of the paper)."""

import io
from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tench.core.names import SPLITS
from tench.core.zip_packs import read_from_pack
from tench.data.index import Row, class_names, rows_in_split

TILE_SIZE = 96  # pixels a side of one image
IMAGES_PER_CLASS = 3  # of each class, side by side
CLASS_COLUMNS = 3  # classes side by side
MAX_CLASSES_SHOWN = (
    99  # classes at most: a page of a thousand is none, and JPEG ends at 65,535 pixels
)
MARGIN = 12
CAPTION_HEIGHT = 22


def contact_sheet(rows: list[Row], folder: Path) -> Image.Image:
    """Draw IMAGES training images of every class, evenly spaced in the index, under its name;
    of more than SHOWN classes the first, and how many there are.

    Args:
        rows: the index.
        folder: what the index's paths are below.

    Returns:
        An RGB image, as many rows of COLUMNS classes as it takes.
    """
    every = class_names(rows)
    names = every[:MAX_CLASSES_SHOWN]
    files: dict[str, list[str]] = {name: [] for name in every}
    for row in rows:
        if row.split == "train":
            files[row.class_name].append(row.path)
    wide, high = IMAGES_PER_CLASS * TILE_SIZE + MARGIN, TILE_SIZE + CAPTION_HEIGHT + MARGIN
    note = CAPTION_HEIGHT + MARGIN if every[MAX_CLASSES_SHOWN:] else 0
    size = (CLASS_COLUMNS * wide + MARGIN, -(-len(names) // CLASS_COLUMNS) * high + MARGIN + note)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for label, name in enumerate(names):
        left = MARGIN + label % CLASS_COLUMNS * wide
        top = MARGIN + label // CLASS_COLUMNS * high
        text = name
        while draw.textlength(text, font) > wide - MARGIN:
            text = text.removesuffix("…")[:-1] + "…"
        draw.text((left, top), text, "black", font)
        of_class = files[name]
        for place in range(min(IMAGES_PER_CLASS, len(of_class))):
            file = of_class[place * len(of_class) // IMAGES_PER_CLASS]
            with Image.open(io.BytesIO(read_from_pack(folder / file))) as image:
                tile = image.resize((TILE_SIZE, TILE_SIZE), Image.Resampling.BILINEAR)
                sheet.paste(tile, (left + place * TILE_SIZE, top + CAPTION_HEIGHT))
    if note:
        text = f"and {len(every) - MAX_CLASSES_SHOWN} more classes"
        draw.text((MARGIN, size[1] - note), text, "black", font)
    return sheet


def count_images(rows: list[Row], rejected: int) -> dict[str, object]:
    """What metrics/split.json holds: images per split and class, seen, and rejected."""
    names = class_names(rows)
    summary: dict[str, object] = {"classes": len(names), "rejected": rejected}
    for split in SPLITS:
        part = rows_in_split(rows, split)
        of_class = Counter(row.class_name for row in part)
        summary[split] = {
            "images": len(part),
            "seen_by_backbone": sum(row.seen for row in part),
            "per_class": {name: of_class[name] for name in names},
        }
    return summary
