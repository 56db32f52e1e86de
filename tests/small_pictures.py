"""A picture whose parts can be told apart, and why a file is none."""

from pathlib import Path

import pytest
from PIL import Image

from tench.pictures.reading import UnreadableError, read_picture


def reason(file: Path) -> str:
    """Why the file cannot be read: one line."""
    with pytest.raises(UnreadableError) as caught:
        read_picture(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def quarters(mode: str = "RGB") -> Image.Image:
    """48 x 32 pixels, each quarter of another colour."""
    picture = Image.new("RGB", (48, 32), (230, 30, 40))
    picture.paste((20, 200, 60), (24, 0, 48, 16))
    picture.paste((30, 60, 220), (0, 16, 24, 32))
    picture.paste((240, 220, 40), (24, 16, 48, 32))
    return picture.convert(mode)
