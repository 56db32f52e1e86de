"""Image counts and a contact sheet of every class (figure 8 of the paper)."""

import io
from collections import Counter
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tench.core.names import SPLITS
from tench.core.zip_packs import read_from_pack
from tench.data.index import Row, class_names, rows_in_split

TILE_SIZE = 96  # width and height of an image, in pixels
IMAGES_PER_CLASS = 3  # in one line
CLASS_COLUMNS = 3
MAX_CLASSES_SHOWN = 99  # more are hard to read, and JPEG allows 65,535 pixels
MARGIN = 12
CAPTION_HEIGHT = 22


def contact_sheet(rows: list[Row], folder: Path) -> Image.Image:
    """Draw training images of every class, evenly spaced in the index, below the class name.

    Args:
        rows: rows of the index.
        folder: folder of the prepared images.

    Returns:
        An RGB image with the first MAX_CLASSES_SHOWN classes, and the number of the others.
    """
    all_names = class_names(rows)
    names = all_names[:MAX_CLASSES_SHOWN]
    files: dict[str, list[str]] = {name: [] for name in all_names}
    for row in rows:
        if row.split == "train":
            files[row.class_name].append(row.path)
    width, height = IMAGES_PER_CLASS * TILE_SIZE + MARGIN, TILE_SIZE + CAPTION_HEIGHT + MARGIN
    note_height = CAPTION_HEIGHT + MARGIN if all_names[MAX_CLASSES_SHOWN:] else 0
    lines = -(-len(names) // CLASS_COLUMNS)
    size = (CLASS_COLUMNS * width + MARGIN, lines * height + MARGIN + note_height)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(15)
    for label, name in enumerate(names):
        left = MARGIN + label % CLASS_COLUMNS * width
        top = MARGIN + label // CLASS_COLUMNS * height
        text = name
        while draw.textlength(text, font) > width - MARGIN:
            text = text.removesuffix("…")[:-1] + "…"
        draw.text((left, top), text, "black", font)
        class_files = files[name]
        for column in range(min(IMAGES_PER_CLASS, len(class_files))):
            file = class_files[column * len(class_files) // IMAGES_PER_CLASS]
            with Image.open(io.BytesIO(read_from_pack(folder / file))) as image:
                tile = image.resize((TILE_SIZE, TILE_SIZE), Image.Resampling.BILINEAR)
                sheet.paste(tile, (left + column * TILE_SIZE, top + CAPTION_HEIGHT))
    if note_height:
        text = f"and {len(all_names) - MAX_CLASSES_SHOWN} more classes"
        draw.text((MARGIN, size[1] - note_height), text, "black", font)
    return sheet


def count_images(rows: list[Row], rejected: int) -> dict[str, object]:
    """Content of metrics/split.json: images per split and class, seen and rejected images."""
    names = class_names(rows)
    summary: dict[str, object] = {"classes": len(names), "rejected": rejected}
    for split in SPLITS:
        members = rows_in_split(rows, split)
        class_sizes = Counter(row.class_name for row in members)
        summary[split] = {
            "images": len(members),
            "seen_by_backbone": sum(row.seen for row in members),
            "per_class": {name: class_sizes[name] for name in names},
        }
    return summary
