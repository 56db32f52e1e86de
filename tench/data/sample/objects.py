"""Draw six man-made objects of the sample images, each on a square layer of LAYER_SIZE pixels."""

import numpy as np
from numpy.random import Generator
from PIL.ImageDraw import ImageDraw

from tench.data.sample.shapes import (
    LAYER_CENTER,
    Color,
    Palette,
    Point,
    bezier_curve,
    draw_disc,
    float_range,
    smooth_polygon,
)


def draw_arch(d: ImageDraw, at: Point, size: Point, fill: Color, edge: Color) -> None:
    """Draw a round-topped window or door.

    Args:
        d: the drawing.
        at: center of its lower edge.
        size: width and height.
        fill: color of the pane.
        edge: color of the frame and the bars.
    """
    (x, y), (w, h) = at, size
    half = w / 2
    for grow, color in ((5, edge), (0, fill)):
        draw_disc(d, x, y - h + half, half + grow, color)
        d.rectangle((x - half - grow, y - h + half, x + half + grow, y), color)
    d.line([(x, y - h), (x, y)], edge, 3)
    d.line([(x - half, y - h / 2), (x + half, y - h / 2)], edge, 3)


def draw_radio(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a portable cassette player: two speakers, a cassette window, keys and a dial."""
    half = rng.uniform(90, 140)
    top, low = LAYER_CENTER - half, LAYER_CENTER + half
    if rng.random() < 0.6:
        d.rounded_rectangle((90, top - 60, 422, top + 40), 24, None, c.dark, 16)
    if rng.random() < 0.6:
        d.line([(430, top), (rng.uniform(380, 500), top - 100)], c.dark, 6)
    d.rounded_rectangle((16, top, 496, low), 22, c.body, c.dark, 6)
    d.rectangle((28, top + 14, 484, top + 52), c.second)
    for x in float_range(180, 475, 12):
        d.line([(x, top + 20), (x, top + (46 if x % 36 == 0 else 34))], c.light, 3)
    d.line([(rng.uniform(190, 460), top + 16), (rng.uniform(190, 460), top + 50)], c.accent, 5)
    for x in (50, 90, 130):
        draw_disc(d, x, top + 33, 15, c.dark)
        d.line([(x, top + 33), (x + 8, top + 22)], c.light, 4)
    y, r = (top + 56 + low) / 2, min(72, (low - top - 70) / 2)
    round_speakers = rng.random() < 0.6
    for x in (100, 412):
        if round_speakers:
            for k, shade in enumerate((c.light, c.dark, c.second, c.dark, c.second, c.dark)):
                draw_disc(d, x, y, r * (1 - 0.16 * k), shade)
        else:
            d.rectangle((x - 72, y - r, x + 72, y + r), c.dark)
            for gx in float_range(x - 64, x + 70, 13):
                for gy in float_range(y - r + 8, y + r - 4, 13):
                    draw_disc(d, gx, gy, 4, c.second)
    d.rounded_rectangle((184, y - r, 328, y + r * 0.45), 8, c.dark, c.light, 4)
    d.rectangle((204, y - r * 0.75, 308, y + r * 0.2), c.light)
    d.rectangle((204, y - r * 0.75, 308, y - r * 0.5), c.accent)
    for x in (230, 282):
        draw_disc(d, x, y - r * 0.15, r * 0.26, c.dark)
        draw_disc(d, x, y - r * 0.15, r * 0.12, c.light)
    for k in range(6):
        x = 184 + 24.5 * k
        d.rectangle((x, y + r * 0.62, x + 20, y + r), c.accent if k == 0 else c.light, c.dark, 3)


def draw_chainsaw(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a chainsaw from the side, its toothed bar to the right."""
    tip, bar = rng.uniform(450, 500), rng.uniform(26, 38)
    y = 300.0
    for x in float_range(200, tip - 10, 20):
        for s in (-1, 1):
            edge = y + s * bar
            tooth = [(x, edge), (x + 14, edge), (x + (12 if s < 0 else 2), edge + s * 13)]
            d.polygon(tooth, c.dark)
    for a in np.linspace(-1.4, 1.4, 7):
        px, py = tip - bar + (bar + 6) * np.cos(a), y + (bar + 6) * np.sin(a)
        d.regular_polygon((px, py, 9), 3, int(-a * 57), c.dark)
    d.rounded_rectangle((180, y - bar, tip, y + bar), bar, c.light, c.dark, 8)
    d.line([(260, y), (tip - 60, y)], c.second, 7)
    draw_disc(d, tip - 26, y, 7, c.dark)
    grip = smooth_polygon([(110, 210), (12, 225), (6, 345), (120, 365)], 2)
    d.line([*grip, grip[0]], c.dark, 28, joint="curve")
    d.line([(62, 262), (80, 300)], c.accent, 10)
    front = rng.uniform(95, 135)
    d.line(bezier_curve([(95, 240), (110, front - 30), (225, front - 30), (235, 320)]), c.dark, 20)
    guard = smooth_polygon([(215, 215), (235, 120), (268, 105), (262, 160), (245, 240)], 2)
    d.polygon(guard, c.second, c.dark, 4)
    body = [(80, 215), (150, 175), (235, 195), (262, 250), (262, 345), (215, 375), (90, 375)]
    d.polygon(smooth_polygon([*body, (70, 300)], 2), c.body, c.dark, 6)
    d.polygon(
        smooth_polygon([(95, 212), (150, 188), (228, 206), (240, 240), (90, 240)], 2), c.second
    )
    draw_disc(d, 150, 305, 46, c.dark)
    for a in float_range(0, 6.2, 0.52):
        x, low = np.cos(a), np.sin(a)
        d.line([(150 + 14 * x, 305 + 14 * low), (150 + 40 * x, 305 + 40 * low)], c.light, 5)
    for x in (215, 228, 241):
        d.line([(x, 262), (x, 335)], c.dark, 5)
    draw_disc(d, 105, 350, 13, c.accent, outline=c.dark, width=4)


def draw_church(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a church: a nave, a tower with a steeple and a cross, arched windows, a door."""
    tower, width = rng.uniform(120, 256), rng.uniform(48, 62)
    wall, eaves = rng.uniform(280, 320), rng.uniform(180, 220)
    d.rectangle((60, wall, 470, 490), c.light, c.dark, 4)
    ridge = wall - rng.uniform(70, 110)
    d.polygon([(40, wall), (100, ridge), (430, ridge), (492, wall)], c.second, c.dark, 4)
    for k in range(1, 5):
        y = ridge + (wall - ridge) * k / 5
        d.line([(110 - 14 * k, y), (420 + 14 * k, y)], c.dark, 2)
    for x in float_range(95, 460, 62):
        if abs(x - tower) > width + 24:
            draw_arch(d, (x, 450), (30, 100), c.dark, c.body)
    d.rectangle((tower - width, eaves, tower + width, 490), c.light, c.dark, 4)
    for row, y in enumerate(float_range(eaves + 14, 490, 16)):
        for x in float_range(tower - width + 6 + 12 * (row % 2), tower + width - 20, 26):
            d.line([(x, y), (x + 16, y)], c.body, 2)
    steeple = [(tower - width - 10, eaves), (tower, 62), (tower + width + 10, eaves)]
    d.polygon(steeple, c.second, c.dark, 4)
    d.line([(tower, 8), (tower, 66)], c.dark, 9)
    d.line([(tower - 20, 27), (tower + 20, 27)], c.dark, 9)
    draw_arch(d, (tower, eaves + 80), (34, 66), c.dark, c.body)
    rose = eaves + 128
    draw_disc(d, tower, rose, 26, c.accent, outline=c.dark, width=5)
    for a in float_range(0, 6.2, np.pi / 4):
        d.line([(tower, rose), (tower + 24 * np.cos(a), rose + 24 * np.sin(a))], c.dark, 3)
    draw_arch(d, (tower, 490), (56, 108), c.accent, c.dark)


def draw_french_horn(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a French horn: coiled tubes, a wide bell, three valves, a mouthpiece."""
    x, y, r = 225.0, 215.0, rng.uniform(135, 165)

    def tube(points: list[Point], width: int) -> None:
        for w, color in ((width + 6, c.dark), (width, c.body), (width // 3, c.light)):
            d.line(points, color, w, joint="curve")

    def ring(cx: float, cy: float, radius: float, width: int) -> None:
        a = np.linspace(0, 2 * np.pi, 60)
        tube([(float(cx + radius * np.cos(t)), float(cy + radius * np.sin(t))) for t in a], width)

    ring(x, y, r, 22)
    ring(x + 12, y + 8, r * 0.72, 16)
    ring(x - 22, y + 18, r * 0.42, 13)
    tube([(x - r * 0.7, y + 60), (x + r * 0.6, y - 70)], 12)
    tube([(x - r * 0.55, y + 95), (x + r * 0.7, y - 30)], 12)
    tube(bezier_curve([(x - 30, y - r), (x - 150, y - r - 30), (60, 90), (18, 40)]), 12)
    d.line([(30, 54), (8, 30)], c.dark, 26)
    for k in range(3):
        vx, vy = x - 48 + 40 * k, y + 8 - 22 * k
        d.rounded_rectangle((vx - 15, vy - 38, vx + 15, vy + 38), 8, c.second, c.dark, 4)
        draw_disc(d, vx, vy - 40, 15, c.light, outline=c.dark, width=4)
        tube([(vx, vy - 52), (vx - 12, vy - 92)], 6)
    wide = rng.uniform(95, 125)
    # The bell opens toward the lower right corner; u runs along it, v across its mouth.
    u, v, mouth = np.array([0.62, 0.78]), np.array([0.78, -0.62]), np.array([385.0, 395.0])
    throat = np.array([x + r * 0.55, y + r * 0.35]) - 40 * u
    neck, flare = throat + 120 * u, mouth - 70 * u
    side = bezier_curve([throat - 12 * v, neck - 22 * v, flare - 30 * v, mouth - wide * v])
    other = bezier_curve([mouth + wide * v, flare + 30 * v, neck + 22 * v, throat + 12 * v])
    d.polygon(side + other, c.body, c.dark, 5)
    d.line([tuple(throat), tuple(mouth)], c.light, 8)
    a = np.linspace(0, 2 * np.pi, 50)
    for size, color in ((1.06, c.dark), (1.0, c.light), (0.88, c.second), (0.45, c.dark)):
        rim = mouth + size * wide * (np.cos(a)[:, None] * v + 0.42 * np.sin(a)[:, None] * u)
        d.polygon([tuple(p) for p in rim], color)


def draw_truck(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a garbage truck from the side, its cab to the left and its hopper to the right."""
    top, cab = rng.uniform(120, 170), rng.uniform(100, 130)
    back = rng.uniform(455, 475)
    d.rectangle((30, 355, 480, 385), c.dark)
    box = [(cab + 32, 365), (cab + 32, top + 15), (cab + 50, top), (back - 70, top)]
    d.polygon([*box, (back, top + 45), (back + 25, 290), (back + 5, 365)], c.body, c.dark, 6)
    for x in float_range(cab + 65, back - 100, 38):
        d.line([(x, top + 8), (x, 355)], c.dark, 4)
        d.line([(x + 5, top + 8), (x + 5, 355)], c.light, 3)
    d.rectangle((cab + 38, 250, back - 92, 282), c.accent)
    d.line([(back - 88, top), (back - 78, 365)], c.dark, 7)
    d.polygon([(back - 45, 235), (back + 12, 250), (back, 345), (back - 55, 345)], c.dark)
    d.line([(back - 75, top + 30), (back - 10, 225)], c.light, 10)
    if rng.random() < 0.5:
        d.rounded_rectangle((back - 10, 285, back + 42, 350), 6, c.second, c.dark, 4)
        d.line([(back - 14, 283), (back + 46, 283)], c.dark, 9)
    front = [(22, 290), (40, top + 50), (cab + 22, top + 50), (cab + 22, 372), (20, 372)]
    d.polygon(front, c.second, c.dark, 6)
    d.polygon([(38, 280), (52, top + 66), (84, top + 66), (84, 280)], c.light, c.dark, 4)
    d.rectangle((93, top + 66, cab + 10, 270), c.light, c.dark, 4)
    d.line([(95, 262), (cab, top + 84)], c.second, 5)
    d.line([(96, 300), (112, 300)], c.dark, 6)
    d.rectangle((12, 350, 60, 382), c.light, c.dark, 4)
    draw_disc(d, 34, 332, 12, c.accent, outline=c.dark, width=4)
    d.rectangle((60, top + 38, 90, top + 50), c.accent, c.dark, 3)
    radius = rng.uniform(38, 46)
    for x in (92, back - 155, back - 65):
        draw_disc(d, x, 392, radius, c.dark)
        draw_disc(d, x, 392, radius * 0.55, c.light)
        draw_disc(d, x, 392, radius * 0.22, c.second)
        for a in float_range(0, 6.2, 1.05):
            draw_disc(d, x + radius * 0.38 * np.cos(a), 392 + radius * 0.38 * np.sin(a), 4, c.dark)


def draw_petrol_station(d: ImageDraw, rng: Generator, c: Palette) -> None:
    """Draw a petrol pump: a tall case with a display, a sign on top, a hose and a nozzle."""
    half, top = rng.uniform(80, 105), rng.uniform(95, 130)
    left, right = 230 - half, 230 + half
    d.rectangle((left - 26, 470, right + 26, 498), c.light, c.dark, 5)
    if rng.random() < 0.5:
        draw_disc(d, 230, top - 42, 48, c.light, outline=c.dark, width=6)
        draw_disc(d, 230, top - 42, 26, c.accent)
    else:
        d.rounded_rectangle((left + 8, top - 75, right - 8, top - 8), 10, c.accent, c.dark, 5)
        d.line([(left + 30, top - 42), (right - 30, top - 42)], c.light, 16)
    loop = right + 150, 120 + rng.uniform(-40, 60)
    hose = [(right - 10, 190), loop, (right + 60, 560), (right + 42, 250)]
    d.line(bezier_curve(hose), c.dark, 15, joint="curve")
    d.rounded_rectangle((left, top, right, 475), 16, c.body, c.dark, 6)
    d.rounded_rectangle((left + 16, top + 16, right - 16, top + 135), 8, c.dark)
    for k in range(3):
        y = top + 26 + 36 * k
        d.rectangle((left + 28, y, right - 28, y + 27), c.light)
        for x in float_range(left + 38, right - 48, 20):
            d.rectangle((x, y + 5, x + 10, y + 22), None, c.dark, 3)
    key = (2 * half - 40) / 3
    for k, shade in enumerate((c.accent, c.second, c.light)):
        x = left + 20 + key * k
        d.rounded_rectangle((x + 3, top + 150, x + key - 3, top + 195), 5, shade, c.dark, 3)
    d.rectangle((left + 6, top + 215, right - 6, top + 250), c.second)
    d.rectangle((left + 24, top + 272, right - 24, 455), None, c.dark, 4)
    d.rectangle((right, 215, right + 22, 300), c.second, c.dark, 4)
    nozzle = [(right + 30, 275), (right + 24, 215), (right + 36, 188), (right + 66, 196)]
    d.polygon([*nozzle, (right + 62, 222), (right + 56, 275)], c.accent, c.dark, 5)
    back = [(right + 40, 195), (right + 30, 160), (right, 165), (right - 6, 205)]
    d.line(bezier_curve(back), c.dark, 13)
