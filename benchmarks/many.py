"""Many small pictures in many classes, from a few thousand real ones: the same for the same seed.

    python -m benchmarks.many --pictures 10000 --classes 1000 ../shared/imagenette out

A class has a tint of its own and is made of the pictures of one folder. Each picture is another
part of another one, mirrored or not, turned, of other brightness, contrast and colour, so that two
from one source are not near duplicates.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from tench.console.progress import progress
from tench.core.files import whole_folder
from tench.core.parallel import cores

SIDE = 72  # pixels
PART = (0.3, 0.7)  # of both sides of the source
TURN = 25  # degrees, to either side
CHANGE = (0.7, 1.3)  # of brightness, contrast and colour
TINT = 0.35  # of a class's colour in its pictures
SEED = 0


def sources(raw: Path) -> list[list[Path]]:
    """The pictures of every class folder below raw/train and raw/val, or raw itself, sorted."""
    found: dict[str, list[Path]] = {}
    for file in sorted(path for path in raw.rglob("*") if path.is_file()):
        found.setdefault(file.parent.name, []).append(file)
    return [files for _, files in sorted(found.items())]


def vary(picture: Image.Image, rng: np.random.Generator, colour: tuple[int, ...]) -> Image.Image:
    """A part of a picture, changed in all that random crops and colours change."""
    share = rng.uniform(*PART)
    wide, high = (max(1, round(side * share)) for side in picture.size)
    left, top = (
        int(rng.integers(0, side - part + 1))
        for side, part in zip(picture.size, (wide, high), strict=True)
    )
    turned = picture.rotate(rng.uniform(-TURN, TURN), Image.Resampling.BILINEAR)
    part = turned.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + wide, top + high))
    if rng.random() < 0.5:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        part = change(part).enhance(rng.uniform(*CHANGE))
    return Image.blend(part, Image.new("RGB", part.size, colour), TINT)


def make_class(number: int, count: int, files: list[Path], out: Path) -> int:
    """Write the pictures of one class; return how many."""
    rng = np.random.default_rng((SEED, number))
    folder = out / f"class_{number:04d}"
    folder.mkdir()
    colour = tuple(int(one) for one in rng.integers(0, 256, 3))
    for place, chosen in enumerate(rng.integers(0, len(files), count)):
        with Image.open(files[chosen]) as opened:
            picture = opened.convert("RGB")
        vary(picture, rng, colour).save(folder / f"{place:05d}.jpg", quality=85)
    return count


def make(raw: Path, pictures: int, classes: int, out: Path) -> None:
    """Fill the folder `out` with class folders, as equal in size as can be."""
    counts = [pictures * (n + 1) // classes - pictures * n // classes for n in range(classes)]
    folders = islice(cycle(sources(raw)), classes)
    with (
        whole_folder(out) as part,
        ProcessPoolExecutor(cores()) as pool,
        progress(None, "pictures", pictures) as bar,
    ):
        one = partial(make_class, out=part)
        for done in pool.map(one, range(classes), counts, folders):
            bar.update(done)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, required=True)
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("raw", type=Path, help="a folder with Imagenette's pictures")
    parser.add_argument("out", type=Path, help="where to write: a new folder")
    options = parser.parse_args()
    if os.path.lexists(options.out):
        parser.error(f"{options.out}: is there; name a new folder, or delete it")
    if not options.raw.is_dir():
        parser.error(f"{options.raw}: there is no such folder")
    if not 2 <= options.classes <= options.pictures:
        parser.error("--classes: from 2 on, and not more than --pictures")
    make(options.raw, options.pictures, options.classes, options.out)


if __name__ == "__main__":
    main()
