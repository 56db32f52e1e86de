"""Draw the sample data set: ten classes, each with 40 training and 20 validation pictures.

In: nothing but the code.
Out: data/sample/{train,val}/<wnid>/NAME.jpg, the same bytes on every run with one Pillow.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tench.cli import progress, run_stage
from tench.sample import CLASSES, COUNTS, draw_picture

OUT = Path("data/sample")


def save_picture(picture: tuple[str, str, int], out: Path) -> None:
    """Draw one (split, wnid, number) and write it as a JPEG below `out`."""
    split, wnid, number = picture
    path = out / split / wnid / f"{CLASSES[wnid]}_{number:04d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_picture(wnid, split, number).save(path, quality=90)


def draw_sample(out: Path) -> None:
    """Write all pictures below `out`; each is seeded by itself, so their order does not matter."""
    pictures = [(s, w, k) for s, count in COUNTS.items() for w in CLASSES for k in range(count)]
    with ProcessPoolExecutor() as pool:
        done = pool.map(partial(save_picture, out=out), pictures, chunksize=8)
        for _ in progress(done, "sample", len(pictures)):
            pass


def main() -> None:
    """Draw into data/sample of the current directory."""
    draw_sample(OUT)


if __name__ == "__main__":
    run_stage(main)
