"""Generate many small images in many classes from a few thousand photographs, by a seed.

    python -m benchmarks.many --images 10000 --classes 1000 ../shared/imagenette out

A class has a tint and uses the photographs of one folder. Each image is a random crop of one, with
random flip, rotation, brightness, contrast and color, so that two crops of one photograph are not
near duplicates.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from tench.core.files import atomic_folder
from tench.core.parallel import available_cores
from tench.run.progress import progress_bar

IMAGE_SIZE = 72  # pixels
CROP_RANGE = (0.3, 0.7)  # share of the source's width and height
MAX_ROTATION_DEGREES = 25  # in either direction
ENHANCE_RANGE = (0.7, 1.3)  # of brightness, contrast and color
TINT_STRENGTH = 0.35  # weight of the class's color
SEED = 0


def list_source_images(raw: Path) -> list[list[Path]]:
    """List the images of every class folder below raw/train and raw/val, or raw itself, sorted."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path for path in raw.rglob("*") if path.is_file()):
        found.setdefault(file.parent.name, []).append(file)
    return [files for _, files in sorted(found.items())]


def augment_image(
    image: Image.Image, rng: np.random.Generator, color: tuple[int, ...]
) -> Image.Image:
    """Crop, rotate, flip and recolor an image at random."""
    share = rng.uniform(*CROP_RANGE)
    wide, high = (max(1, round(side * share)) for side in image.size)
    left, top = (
        int(rng.integers(0, side - part + 1))
        for side, part in zip(image.size, (wide, high), strict=True)
    )
    turned = image.rotate(
        rng.uniform(-MAX_ROTATION_DEGREES, MAX_ROTATION_DEGREES), Image.Resampling.BILINEAR
    )
    part = turned.resize(
        (IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BOX, (left, top, left + wide, top + high)
    )
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        part = change(part).enhance(rng.uniform(*ENHANCE_RANGE))
    return Image.blend(part, Image.new("RGB", part.size, color), TINT_STRENGTH)


def write_class(number: int, count: int, files: list[Path], out: Path) -> int:
    """Write the images of one class. Returns their number."""
    rng = np.random.default_rng((SEED, number))
    folder = out / f"class_{number:04d}"
    folder.mkdir()
    color = tuple(int(one) for one in rng.integers(0, 256, 3))
    for index, chosen in enumerate(rng.integers(0, len(files), count)):
        with Image.open(files[chosen]) as opened:
            image = opened.convert("RGB")
        augment_image(image, rng, color).save(folder / f"{index:05d}.jpg", quality=85)
    return count


def write_dataset(raw: Path, images: int, classes: int, out: Path) -> None:
    """Fill the folder `out` with class folders of nearly equal size."""
    counts = [images * (n + 1) // classes - images * n // classes for n in range(classes)]
    folders = islice(cycle(list_source_images(raw)), classes)
    with (
        atomic_folder(out) as part,
        ProcessPoolExecutor(available_cores()) as pool,
        progress_bar(None, "images", images) as bar,
    ):
        one = partial(write_class, out=part)
        for done in pool.map(one, range(classes), counts, folders):
            bar.update(done)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("raw", type=Path, help="a folder with Imagenette's images")
    parser.add_argument("out", type=Path, help="a new folder to write")
    options = parser.parse_args()
    if os.path.lexists(options.out):
        parser.error(f"{options.out}: is there; name a new folder, or delete it")
    if not options.raw.is_dir():
        parser.error(f"{options.raw}: there is no such folder")
    if not 2 <= options.classes <= options.images:
        parser.error("--classes: from 2 on, and not more than --images")
    write_dataset(options.raw, options.images, options.classes, options.out)


if __name__ == "__main__":
    main()
