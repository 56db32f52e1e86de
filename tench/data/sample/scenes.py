"""Draw the sample images: the object of a class in a random scene, determined by a seed."""

import colorsys

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageChops, ImageDraw

from tench.data.sample import objects, shapes
from tench.data.sample.shapes import LAYER_SIZE, Color, Palette

CLASSES: dict[str, str] = {
    "n01440764": "fish",
    "n02102040": "dog",
    "n02979186": "radio",
    "n03000684": "chainsaw",
    "n03028079": "church",
    "n03394916": "french_horn",
    "n03417042": "truck",
    "n03425413": "petrol_station",
    "n03445777": "golf_ball",
    "n03888257": "parachute",
}
IMAGES_PER_CLASS: dict[str, int] = {"train": 40, "val": 20}
SAMPLE_SEED = 1

_SCALE = 2  # images are drawn at twice their size and shrunk, which smooths edges


def _random_color(rng: Generator, value: tuple[float, float] = (0.15, 1.0)) -> Color:
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.95), rng.uniform(*value))
    return int(255 * r), int(255 * g), int(255 * b)


def _tint(rng: Generator, c: Color) -> Color:
    """A random lighter or darker shade of the color `c`."""
    by = rng.uniform(0.7, 1.3)
    return int(min(255, c[0] * by)), int(min(255, c[1] * by)), int(min(255, c[2] * by))


def _contrasting_color(rng: Generator, others: list[Color]) -> Color:
    """The random color, out of eight, that differs most from all `others`."""
    tries = np.array([_random_color(rng) for _ in range(8)])
    gaps = np.abs(tries[:, None] - np.array(others)[None]).sum(axis=2).min(axis=1)
    r, g, b = tries[int(gaps.argmax())].tolist()
    return r, g, b


def _random_palette(rng: Generator, background: list[Color]) -> Palette:
    body = _contrasting_color(rng, background)
    second = _contrasting_color(rng, [*background, body])
    pale = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 0.25), rng.uniform(0.8, 1))
    light = (int(255 * pale[0]), int(255 * pale[1]), int(255 * pale[2]))
    return Palette(
        body, second, _random_color(rng, (0.5, 1.0)), _random_color(rng, (0.02, 0.22)), light
    )


def _soft_noise(rng: Generator, size: tuple[int, int], cells: int) -> np.ndarray:
    """Soft noise with about `cells` blobs per side, float32 (height, width) in [0, 1]."""
    coarse = Image.fromarray(rng.integers(0, 256, (cells, cells), dtype=np.uint8))
    return np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float32) / 255


def _draw_backdrop(rng: Generator, size: tuple[int, int], a: Color, b: Color) -> Image.Image:
    """A gradient from color `a` to `b` in any direction, mixed with soft noise or stripes."""
    w, h = size[0] // _SCALE, size[1] // _SCALE  # a small one is enough, it has no sharp edges
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    along = (x / w - 0.5) * np.cos(turn) + (y / h - 0.5) * np.sin(turn) + 0.5
    mix = along + rng.uniform(0, 1.2) * (_soft_noise(rng, (w, h), int(rng.integers(3, 14))) - 0.5)
    if rng.random() < 0.25:
        mix += rng.uniform(0.1, 0.3) * np.sin(along * rng.uniform(20, 70))
    mix = mix.clip(0, 1)[..., None]
    start, end = np.array([a, b], dtype=np.float32)
    image = Image.fromarray((start + (end - start) * mix).astype(np.uint8))
    return image.resize(size, Image.Resampling.BILINEAR)


def _draw_clutter(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int]) -> None:
    w, h = size
    for _ in range(int(rng.integers(2, 9))):
        x, y, r = rng.uniform(0, w), rng.uniform(0, h), rng.uniform(0.02, 0.11) * w
        match int(rng.integers(4)):
            case 0:
                shapes.draw_disc(d, x, y, r, _random_color(rng))
            case 1:
                d.rectangle((x - r, y - r, x + r * rng.uniform(0, 2), y + r), _random_color(rng))
            case 2:
                d.regular_polygon((x, y, r), int(rng.integers(3, 7)), 20, _random_color(rng))
            case _:
                end = (rng.uniform(0, w), rng.uniform(0, h))
                d.line([(x, y), end], _random_color(rng), int(rng.integers(2, 9)))


def _draw_water(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], c: Color) -> None:
    w, h = size
    for y in shapes.float_range(rng.uniform(0, 30), h, rng.uniform(35, 80)):
        x = np.arange(0, w + 12, 12)
        bend = y + rng.uniform(3, 12) * np.sin(x / rng.uniform(15, 40) + y)
        d.line(list(zip(x.tolist(), bend.tolist(), strict=True)), _tint(rng, c), 5)
    for _ in range(int(rng.integers(3, 12))):
        at = rng.uniform(0, w), rng.uniform(0, h)
        shapes.draw_disc(d, *at, rng.uniform(4, 14), None, outline=_tint(rng, c), width=4)


def _draw_sky(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], c: Color) -> None:
    for _ in range(int(rng.integers(2, 6))):
        x, y, r = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(15, 40)
        shade = _tint(rng, c)
        for k in range(4):
            shapes.draw_disc(d, x + r * k, y + rng.uniform(-0.5, 0.5) * r, r, shade)


def _draw_grass(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], c: Color) -> None:
    w, h = size
    line = h * rng.uniform(0.45, 0.8)
    d.rectangle((0, line, w, h), c)
    for _ in range(260):
        x, y, tall = rng.uniform(0, w), rng.uniform(line, h + 20), rng.uniform(15, 45)
        d.line([(x, y), (x + rng.uniform(-12, 12), y - tall)], _tint(rng, c), 4)


def _draw_road(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], c: Color) -> None:
    w, h = size
    line = h * rng.uniform(0.45, 0.8)
    d.rectangle((0, line, w, h), c)
    d.line([(0, line), (w, line)], _tint(rng, c), 8)
    for x in shapes.float_range(rng.uniform(-80, 0), w, 110):
        d.line([(x, (line + h) / 2), (x + 55, (line + h) / 2)], _tint(rng, c), 9)


def _draw_table(d: ImageDraw.ImageDraw, rng: Generator, size: tuple[int, int], c: Color) -> None:
    w, h = size
    line = h * rng.uniform(0.45, 0.8)
    d.rectangle((0, line, w, h), c)
    for y in shapes.float_range(line, h, rng.uniform(14, 30)):
        d.line([(0, y), (w, y + rng.uniform(-8, 8))], _tint(rng, c), 3)


# Per class: the function that draws the object, the one that draws the scene, and the maximum
# rotation in degrees.
_SCENES = {
    "fish": (shapes.draw_fish, _draw_water, 35),
    "dog": (shapes.draw_dog, _draw_grass, 15),
    "radio": (objects.draw_radio, _draw_table, 20),
    "chainsaw": (objects.draw_chainsaw, _draw_grass, 40),
    "church": (objects.draw_church, _draw_grass, 8),
    "french_horn": (objects.draw_french_horn, _draw_table, 40),
    "truck": (objects.draw_truck, _draw_road, 10),
    "petrol_station": (objects.draw_petrol_station, _draw_road, 10),
    "golf_ball": (shapes.draw_golf_ball, _draw_grass, 25),
    "parachute": (shapes.draw_parachute, _draw_sky, 20),
}


def _draw_object(rng: Generator, name: str, size: tuple[int, int], c: Palette) -> Image.Image:
    """Draw the lit, rotated and positioned object: RGBA of `size`, transparent around it."""
    draw, _, lean = _SCENES[name]
    layer = Image.new("RGBA", (LAYER_SIZE, LAYER_SIZE))
    draw(ImageDraw.Draw(layer), rng, c)
    # Light from one side and a slightly uneven surface, so that it is not flat color.
    dim = int(rng.integers(110, 210))
    light = _draw_backdrop(rng, layer.size, (255, 255, 255), (dim, dim, dim))
    lit = ImageChops.multiply(layer.convert("RGB"), light)
    layer = Image.merge("RGBA", (*lit.split(), layer.getchannel("A")))

    scale = rng.uniform(0.62, 0.98) * min(size) / LAYER_SIZE
    wide, tall = scale * rng.uniform(0.9, 1.15), scale * rng.uniform(0.9, 1.1)
    wide *= rng.choice((-1, 1))
    turn, shear = np.radians(rng.uniform(-lean, lean)), rng.uniform(-0.08, 0.08)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    forward = spin @ np.array([[1, shear], [0, 1]]) @ np.diag([wide, tall])
    # The margin keeps most of the object inside the image.
    margin = 0.5 * LAYER_SIZE * scale * 0.85
    center = [rng.uniform(min(margin, side - margin), max(margin, side - margin)) for side in size]
    back = np.linalg.inv(forward)
    shift = np.full(2, LAYER_SIZE / 2) - back @ np.array(center)
    data = (*back[0], shift[0], *back[1], shift[1])
    return layer.transform(size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR)


def draw_image(wnid: str, split: str, number: int, seed: int = SAMPLE_SEED) -> Image.Image:
    """Draw one sample image. The four arguments determine every pixel.

    Args:
        wnid: a key of CLASSES.
        split: a key of IMAGES_PER_CLASS.
        number: number of the image, 0 or more.
        seed: seed of the data set.

    Returns:
        RGB image with sides of 180 to 320 pixels.
    """
    name = CLASSES[wnid]
    rng = np.random.default_rng(
        [seed, list(CLASSES).index(wnid), list(IMAGES_PER_CLASS).index(split), number]
    )
    long, short = int(rng.integers(240, 321)), int(rng.integers(180, 241))
    final = [(long, short), (short, long), (long, long)][int(rng.integers(3))]
    size = (final[0] * _SCALE, final[1] * _SCALE)

    background = [_random_color(rng), _random_color(rng)]
    image = _draw_backdrop(rng, size, background[0], background[1])
    d = ImageDraw.Draw(image)
    _draw_clutter(d, rng, size)
    scene = _random_color(rng)
    if rng.random() < 0.75:
        _SCENES[name][1](d, rng, size, scene)
        background.append(scene)
    item = _draw_object(rng, name, size, _random_palette(rng, background))
    image.paste(item, mask=item.getchannel("A"))

    small = np.asarray(image.resize(final, Image.Resampling.BOX), dtype=np.float32)
    grain = rng.standard_normal(small.shape, dtype=np.float32) * rng.uniform(1, 9)
    tone = rng.uniform(0.75, 1.1) * small + rng.uniform(-10, 20)
    return Image.fromarray((tone + grain).clip(0, 255).astype(np.uint8))
