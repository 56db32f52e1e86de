"""Figure 8 of the paper: example pictures of every class with their names."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tench.index import Row, class_names

TILE = 96  # pixels a side of one picture
PICTURES = 3  # of each class, side by side
COLUMNS = 3  # classes side by side
MARGIN = 12
CAPTION = 22


def contact_sheet(rows: list[Row], folder: Path) -> Image.Image:
    """Draw PICTURES training pictures of every class, evenly spaced in the index, under its name.

    Args:
        rows: the index.
        folder: what the index's paths are below.

    Returns:
        An RGB image, as many rows of COLUMNS classes as it takes.
    """
    names = class_names(rows)
    wide, high = PICTURES * TILE + MARGIN, TILE + CAPTION + MARGIN
    size = (COLUMNS * wide + MARGIN, -(-len(names) // COLUMNS) * high + MARGIN)
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
        files = [row.path for row in rows if row.split == "train" and row.label == label]
        for place in range(min(PICTURES, len(files))):
            file = files[place * len(files) // PICTURES]
            with Image.open(folder / file) as picture:
                tile = picture.resize((TILE, TILE), Image.Resampling.BILINEAR)
                sheet.paste(tile, (left + place * TILE, top + CAPTION))
    return sheet
