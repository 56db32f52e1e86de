"""Prepared images: kept without loss, and square."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_images import draw_quarters, read_prepared_unchecked, write_prepared_image

from tench.core.names import ResizeMode
from tench.data.decode.resize import resize


def test_prepared_images_are_lossless(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    file = tmp_path / "train/fish/000.zip/a.jpg.webp"
    write_prepared_image(Image.fromarray(noise), file)
    found = read_prepared_unchecked(file)
    assert found.dtype == np.uint8
    assert np.array_equal(found, noise)


def test_crop_gives_the_square_in_the_middle() -> None:
    small = np.asarray(resize(draw_quarters(), 32, "crop"))  # of 48 x 32 pixels
    assert np.array_equal(small, np.asarray(draw_quarters())[:, 8:40])
    tall = draw_quarters().transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(np.asarray(resize(tall, 32, "crop")), np.asarray(tall)[8:40])


def test_pad_gives_the_whole_image_on_gray() -> None:
    small = np.asarray(resize(draw_quarters(), 48, "pad"))  # of 48 x 32 pixels
    assert np.array_equal(small[8:40], np.asarray(draw_quarters()))
    assert (small[:8] == 127).all()
    assert (small[40:] == 127).all()
    tall = draw_quarters().transpose(Image.Transpose.ROTATE_90)
    assert np.array_equal(np.asarray(resize(tall, 48, "pad"))[:, 8:40], np.asarray(tall))


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
@pytest.mark.parametrize("size", [(1, 3000), (3000, 1), (1, 1), (33, 32)])
def test_any_shape_becomes_a_square(size: tuple[int, int], how: ResizeMode) -> None:
    small = resize(Image.new("RGB", size, "red"), 32, how)
    assert small.size == (32, 32)
    assert np.asarray(small)[..., 0].max() > 190  # the image is there


def test_resize_gives_a_square_of_the_whole_image() -> None:
    small = np.asarray(resize(draw_quarters(), 16))
    assert small.shape == (16, 16, 3)
    for y, x in ((2, 2), (2, 13), (13, 2), (13, 13)):
        assert np.array_equal(small[y, x], np.asarray(draw_quarters())[2 * y, 3 * x])
