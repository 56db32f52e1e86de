"""Draw the sample data set into a folder, on all cores."""

from functools import partial
from pathlib import Path

from tench.core.parallel import process_pool
from tench.data.sample.scenes import CLASSES, IMAGES_PER_CLASS, draw_image
from tench.run.progress import progress_bar


def save_image(image: tuple[str, str, int], out: Path) -> None:
    """Draw one image, given by (split, wnid, number), and write it as a JPEG file in `out`."""
    split, wnid, number = image
    path = out / split / wnid / f"{CLASSES[wnid]}_{number:04d}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_image(wnid, split, number).save(path, quality=90)


def draw_dataset(out: Path) -> None:
    """Write all images to `out`. Each has its own seed, so their order does not matter."""
    images = [
        (s, w, k) for s, count in IMAGES_PER_CLASS.items() for w in CLASSES for k in range(count)
    ]
    with process_pool() as pool:
        done = pool.map(partial(save_image, out=out), images, chunksize=8)
        for _ in progress_bar(done, "sample", len(images)):
            pass
