"""Drawing helpers and four objects of the sample images; objects.py has the other six.

Each object is drawn on a square layer of LAYER_SIZE pixels.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from PIL.ImageDraw import ImageDraw

LAYER_SIZE = 512
LAYER_CENTER = LAYER_SIZE / 2
Color = tuple[int, int, int]
Point = tuple[float, float]


class Palette(NamedTuple):
    """Colors of one object, RGB in 0..255; dark and light are for outlines and details."""

    body: Color
    second: Color
    accent: Color
    dark: Color
    light: Color


def smooth_polygon(points: Iterable[Point], rounds: int = 3) -> list[Point]:
    """Round the corners of a closed polygon with `rounds` rounds of Chaikin's algorithm."""
    p = np.asarray(list(points), dtype=float)
    for _ in range(rounds):
        q = np.roll(p, -1, axis=0)
        p = np.stack([0.75 * p + 0.25 * q, 0.25 * p + 0.75 * q], axis=1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in p]


def bezier_curve(points: Iterable[Point | np.ndarray]) -> list[Point]:
    """Thirty points on the cubic Bezier curve with the four control points `points`."""
    a, b, c, e = np.asarray(list(points), dtype=float)
    t = np.linspace(0, 1, 30)[:, None]
    p = a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t**2 * (1 - t) + e * t**3
    return [(float(x), float(y)) for x, y in p]


def float_range(start: float, stop: float, step: float) -> list[float]:
    """Numbers from `start` up to but excluding `stop`, in steps of `step`."""
    return [float(v) for v in np.arange(start, stop, step)]


def draw_disc(d: ImageDraw, x: float, y: float, r: float, fill: Color | None, **kw: object) -> None:
    """Draw a disc of radius r around (x, y); `kw` is passed to ImageDraw.ellipse."""
    d.ellipse((x - r, y - r, x + r, y + r), fill, **kw)  # type: ignore[arg-type]


def draw_fish(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a fish from the side, its head to the left."""
    h, tail = rng.uniform(75, 115), rng.uniform(0.7, 1.15)
    top, low = LAYER_CENTER - h, LAYER_CENTER + h
    fins = [
        smooth_polygon(
            [
                (385, LAYER_CENTER),
                (490, LAYER_CENTER - h * tail),
                (455, LAYER_CENTER),
                (490, LAYER_CENTER + h * tail),
            ],
            2,
        ),
        smooth_polygon(
            [(160, top + 25), (190, top - 55), (320, top - 15), (350, LAYER_CENTER - h * 0.4)], 2
        ),
        smooth_polygon([(200, low - 20), (245, low + 50), (270, low - 25)], 2),
        smooth_polygon(
            [(300, LAYER_CENTER + h * 0.6), (350, low + 30), (355, LAYER_CENTER + h * 0.4)], 2
        ),
    ]
    for fin in fins:
        d.polygon(fin, c.second, c.dark, 4)
        for x, y in fin[::2]:
            root = 380 if fin is fins[0] else 0.6 * x + 0.4 * LAYER_CENTER
            d.line([(root, LAYER_CENTER), (x, y)], c.dark, 2)
    side = [
        (30, LAYER_CENTER),
        (100, LAYER_CENTER - h * 0.8),
        (215, top - 12),
        (345, LAYER_CENTER - h * 0.5),
        (415, LAYER_CENTER - 24),
    ]
    under = [(x, 2 * LAYER_CENTER - y) for x, y in reversed(side[1:])]
    d.polygon(smooth_polygon(side + under), c.body, c.dark, 5)
    belly = [
        (60, LAYER_CENTER + 22),
        (220, LAYER_CENTER + 0.3 * h),
        (400, LAYER_CENTER + 6),
        *under[1:],
    ]
    d.polygon(smooth_polygon([(x, y - 6) for x, y in belly]), c.light)
    for col, x in enumerate(float_range(165, 385, 18)):
        half = h * 0.82 * np.sqrt(max(0.0, 1 - ((x - 200) / 240) ** 2)) - 10
        for y in float_range(LAYER_CENTER - half + 9 * (col % 2), LAYER_CENTER + half, 18):
            d.arc((x - 10, y - 10, x + 10, y + 10), 90, 270, c.dark, 2)
    d.arc((85, LAYER_CENTER - h * 0.8, 155, LAYER_CENTER + h * 0.8), -75, 75, c.dark, 6)
    fin = [
        (190, LAYER_CENTER + 15),
        (265, LAYER_CENTER + 10),
        (280, LAYER_CENTER + 60),
        (225, LAYER_CENTER + 50),
    ]
    d.polygon(smooth_polygon(fin, 2), c.second, c.dark, 4)
    eye = rng.uniform(15, 21)
    draw_disc(d, 95, LAYER_CENTER - h * 0.25, eye, c.light, outline=c.dark, width=4)
    draw_disc(d, 93, LAYER_CENTER - h * 0.25, eye * 0.55, c.dark)
    d.line([(38, LAYER_CENTER + 18), (80, LAYER_CENTER + 24)], c.dark, 5)


def _draw_dog_face(d: ImageDraw, rng: Generator, c: Palette) -> None:
    w = rng.uniform(95, 115)
    chest = [
        (LAYER_CENTER - w, 512),
        (LAYER_CENTER - w, 400),
        (LAYER_CENTER, 350),
        (LAYER_CENTER + w, 400),
        (LAYER_CENTER + w, 512),
    ]
    d.polygon(smooth_polygon(chest, 2), c.light, c.dark, 4)
    face = [(-w, 130), (-w * 0.4, 55), (w * 0.4, 55), (w, 130), (w * 0.85, 270), (70, 400)]
    face += [(-70, 400), (-w * 0.85, 270)]
    d.polygon(smooth_polygon([(LAYER_CENTER + x, y) for x, y in face]), c.body, c.dark, 5)
    blaze = [(-12, 75), (12, 75), (22, 220), (75, 300), (60, 390), (-60, 390), (-75, 300)]
    d.polygon(smooth_polygon([(LAYER_CENTER + x, y) for x, y in [*blaze, (-22, 220)]]), c.light)
    for s in (-1, 1):
        ear = [(w * 0.55, 85), (w + 25, 90), (w + 75, 220), (w + 60, 370), (w - 5, 350)]
        d.polygon(
            smooth_polygon([(LAYER_CENTER + s * x, y) for x, y in [*ear, (w - 5, 200)]]), c.second
        )
        for k in range(7):
            x = w + 2 + 9 * k
            end = (LAYER_CENTER + s * (x + 8), 350 - 8 * abs(k - 3))
            strand = [
                (LAYER_CENTER + s * (x - 10), 150),
                (LAYER_CENTER + s * x, 210),
                (LAYER_CENTER + s * (x - 12), 280),
            ]
            d.line(bezier_curve([*strand, end]), c.dark, 3)
        draw_disc(d, LAYER_CENTER + s * w * 0.48, 195, 21, c.light)
        draw_disc(d, LAYER_CENTER + s * w * 0.48, 195, 17, c.dark)
        draw_disc(d, LAYER_CENTER + s * w * 0.48 + 5, 189, 5, c.light)
        smile = [
            (LAYER_CENTER, 335),
            (LAYER_CENTER + s * 10, 375),
            (LAYER_CENTER + s * 45, 375),
            (LAYER_CENTER + s * 60, 345),
        ]
        d.line(bezier_curve(smile), c.dark, 5)
        for k in range(3):
            draw_disc(d, LAYER_CENTER + s * (30 + 11 * k), 325 + 8 * (k % 2), 3, c.dark)
    nose = [
        (LAYER_CENTER - 45, 270),
        (LAYER_CENTER + 45, 270),
        (LAYER_CENTER + 10, 325),
        (LAYER_CENTER - 10, 325),
    ]
    d.polygon(smooth_polygon(nose, 2), c.dark)
    if rng.random() < 0.6:
        tongue = [
            (LAYER_CENTER - 25, 362),
            (LAYER_CENTER + 25, 362),
            (LAYER_CENTER + 18, 430),
            (LAYER_CENTER - 18, 430),
        ]
        d.polygon(smooth_polygon(tongue), c.accent, c.dark, 3)


def _draw_dog_standing(d: ImageDraw, rng: Generator, c: Palette) -> None:
    foot, step = rng.uniform(430, 470), rng.uniform(-18, 18)
    tail = [(410, 250), (470, 180 + 2 * step), (500, 190 + 2 * step), (430, 290)]
    d.polygon(smooth_polygon(tail, 2), c.second, c.dark, 4)
    far, near = [(205.0, step), (360.0, -step)], [(175.0, -step), (390.0, step)]
    for x, lean in far + near:
        leg = [(x - 28, 310), (x - 18 + lean, 390), (x - 20 + lean, foot - 8)]
        leg += [(x - 38 + lean, foot), (x + 16 + lean, foot), (x + 14 + lean, 390), (x + 30, 310)]
        d.polygon(smooth_polygon(leg, 2), c.second if (x, lean) in far else c.light, c.dark, 4)
    body = [(140, 200), (270, 215), (400, 205), (450, 270), (410, 345), (290, 335), (190, 370)]
    d.polygon(smooth_polygon([*body, (125, 290)]), c.light, c.dark, 5)
    for _ in range(3):
        x, y, r = rng.uniform(215, 390), rng.uniform(240, 295), rng.uniform(22, 45)
        turn = np.arange(7) * 2 * np.pi / 7
        size = r * rng.uniform(0.7, 1.2, 7)
        patch = zip(x + 1.2 * size * np.cos(turn), y + 0.8 * size * np.sin(turn), strict=True)
        d.polygon(smooth_polygon(patch, 2), c.body)
    for x in float_range(170, 420, 14):
        d.line([(x, 325), (x + rng.uniform(-8, 8), rng.uniform(345, 385))], c.light, 6)
    d.polygon(
        smooth_polygon([(110, 150), (190, 150), (215, 280), (140, 320), (105, 230)], 2), c.body
    )
    head = [(75, 105), (140, 70), (205, 100), (205, 190), (150, 225), (85, 215), (18, 215)]
    d.polygon(smooth_polygon([*head, (14, 160), (70, 150)]), c.body, c.dark, 5)
    d.polygon(smooth_polygon([(20, 165), (90, 165), (95, 210), (25, 212)], 2), c.light)
    ear = [(140, 105), (190, 100), (230, 200), (215, 290), (160, 280), (145, 190)]
    d.polygon(smooth_polygon(ear), c.second, c.dark, 4)
    for x in float_range(165, 215, 12):
        d.line(bezier_curve([(x, 150), (x + 12, 190), (x - 6, 230), (x + 4, 275)]), c.dark, 3)
    draw_disc(d, 28, 170, 16, c.dark)
    draw_disc(d, 105, 138, 12, c.dark)
    draw_disc(d, 102, 135, 4, c.light)
    d.line([(30, 200), (95, 198)], c.dark, 4)


def draw_dog(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a spaniel: its face from the front, or standing and seen from the side."""
    (_draw_dog_face if rng.random() < 0.45 else _draw_dog_standing)(d, rng, c)


def draw_golf_ball(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a dimpled golf ball, mostly on a tee."""
    on_tee = rng.random() < 0.6
    r, y = (175.0, 200.0) if on_tee else (225.0, LAYER_CENTER)
    if on_tee:
        left = bezier_curve([(180, 350), (220, 400), (240, 400), (246, 510)])
        right = bezier_curve([(266, 510), (272, 400), (292, 400), (332, 350)])
        d.polygon(left + right, c.accent, c.dark, 5)
    draw_disc(d, LAYER_CENTER, y, r, c.body, outline=c.dark, width=4)
    red, green, blue = c.body
    shade = (int(0.55 * red), int(0.55 * green), int(0.55 * blue))
    shine = (int(0.4 * red + 153), int(0.4 * green + 153), int(0.4 * blue + 153))
    # A spiral of evenly spread points on the sphere; those in front are the dimples.
    count, spin = int(rng.integers(230, 330)), rng.uniform(0, np.pi, 2)
    k = np.arange(count) + 0.5
    high, around = np.arccos(1 - 2 * k / count), np.pi * (1 + 5**0.5) * k
    p = np.stack([np.cos(around) * np.sin(high), np.sin(around) * np.sin(high), np.cos(high)])
    for i, j, a in ((0, 2, spin[0]), (1, 2, spin[1])):
        p[i], p[j] = p[i] * np.cos(a) - p[j] * np.sin(a), p[i] * np.sin(a) + p[j] * np.cos(a)
    size = r * 1.35 / np.sqrt(count)
    for px, py, pz in p.T:
        if pz > 0.15:
            cx, cy, dent = (
                LAYER_CENTER + 0.97 * r * px,
                y + 0.97 * r * py,
                size * (0.35 + 0.65 * pz),
            )
            draw_disc(d, cx + 2, cy + 2, dent, shine)
            draw_disc(d, cx, cy, dent * 0.88, shade)
            draw_disc(d, cx + 2, cy + 2, dent * 0.66, c.body)


def draw_parachute(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a parachute and its jumper: a round canopy or a curved wing."""
    wing, wide = rng.random() < 0.3, rng.uniform(190, 240)
    gores, low = int(rng.integers(6, 10)), rng.uniform(200, 235)
    a = np.linspace(-1, 1, gores + 1)
    rise = 60 if wing else 0
    foot = [(float(LAYER_CENTER + wide * x), float(low - rise * (1 - x * x))) for x in a]
    for x, y in foot:
        d.line([(x, y), (LAYER_CENTER, 400)], c.dark, 3)
    shades = (c.body, c.second, c.light) if rng.random() < 0.5 else (c.body, c.light)
    for k in range(gores):
        (x0, y0), (x1, y1) = foot[k], foot[k + 1]
        if wing:
            lift = rng.uniform(78, 82)
            cell = [(x0, y0), (x0, y0 - lift), (x1, y1 - lift), (x1, y1)]
            d.polygon(cell, shades[k % len(shades)], c.dark, 3)
            continue
        t = np.linspace(0, np.pi / 2, 12)
        seam, next_seam = (
            list(zip(LAYER_CENTER + wide * a[n] * np.cos(t), low - 185 * np.sin(t), strict=True))
            for n in (k, k + 1)
        )
        third = (x1 - x0) / 3
        hem = bezier_curve([(x1, y1), (x1 - third, y1 - 24), (x0 + third, y0 - 24), (x0, y0)])
        d.polygon(seam + next_seam[::-1] + hem, shades[k % len(shades)], c.dark, 3)
    d.rounded_rectangle((LAYER_CENTER - 20, 402, LAYER_CENTER + 20, 456), 9, c.accent, c.dark, 3)
    draw_disc(d, LAYER_CENTER, 392, 16, c.second, outline=c.dark, width=3)
    for s in (-1, 1):
        d.line([(LAYER_CENTER + s * 16, 412), (LAYER_CENTER + s * 36, 368)], c.dark, 9)
        d.line(
            [(LAYER_CENTER + s * 10, 450), (LAYER_CENTER + s * rng.uniform(8, 26), 505)], c.dark, 12
        )
