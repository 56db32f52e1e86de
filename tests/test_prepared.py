"""Prepared pictures: kept without loss, and square."""

from pathlib import Path

import numpy as np
from PIL import Image
from small_pictures import quarters

from tench.pictures.prepared import read_prepared, resize, write_prepared


def test_prepared_pictures_are_lossless(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = tmp_path / "train" / "fish" / "a.jpg.webp"
    write_prepared(Image.fromarray(noise), file)
    found = read_prepared(file)
    assert found.dtype == np.uint8
    assert np.array_equal(found, noise)


def test_resize_gives_a_square_of_the_whole_picture() -> None:
    small = np.asarray(resize(quarters(), 16))
    assert small.shape == (16, 16, 3)
    for y, x in ((2, 2), (2, 13), (13, 2), (13, 13)):
        assert np.array_equal(small[y, x], np.asarray(quarters())[2 * y, 3 * x])
