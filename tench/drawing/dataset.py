"""Draws the whole sample into a folder, on all cores."""

from functools import partial
from pathlib import Path

from tench.console.progress import progress
from tench.core.parallel import processes
from tench.drawing.sample import CLASSES, COUNTS, draw_picture


def save_picture(picture: tuple[str, str, int], out: Path) -> None:
    """Draw one (split, wnid, number) and write it as a JPEG below `out`."""
    split, wnid, number = picture
    path = out / split / wnid / f"{CLASSES[wnid]}_{number:04d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(wnid, split, number).save(path, quality=90)


def draw_dataset(out: Path) -> None:
    """Write all pictures below `out`; each is seeded by itself, so their order does not matter."""
    pictures = [(s, w, k) for s, count in COUNTS.items() for w in CLASSES for k in range(count)]
    with processes() as pool:
        done = pool.map(partial(save_picture, out=out), pictures, chunksize=8)
        for _ in progress(done, "sample", len(pictures)):
            pass
