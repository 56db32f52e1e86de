"""A realistic folder of a user's images, with class names in any script, copies across splits,
wrong labels and black images."""

import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from pipeline_clones import (
    commit_all,
    copy_finished_run,
    run_dvc,
    run_dvc_failing,
    set_params,
    stages_run,
)

# Class folders of the sample, and the class names used here.
CLASS_NAMES = {
    "n01440764": "Grüße & 東京",
    "n02102040": "<script>alert(1)<",
    "n02979186": "with blanks",
    "n03000684": "plain",
    "n03028079": "Zeta",
}
LEAK_COUNT, SWAPPED_LABEL_COUNT, BLACK_IMAGE_COUNT = 6, 10, 4


class OwnImagesRun(NamedTuple):
    """A clone with a finished, committed `dvc repro` on such a folder."""

    folder: Path
    refused_output: str  # output of the first `dvc repro audit`, which allows no leaks
    ran: list[str]  # stages of that run and of the next, which allows them
    leaks: list[str]  # planted paths, relative to the raw folder
    labels: list[str]
    black: list[str]


def copy_sample_classes(
    sample: Path, own: Path, names: dict[str, str], train: int, val: int
) -> None:
    """Copy the first images of some classes of the sample to the folder `own`."""
    for split, count in (("train", train), ("val", val)):
        for source, name in names.items():
            (own / split / name).mkdir(parents=True)
            for file in sorted((sample / split / source).iterdir())[:count]:
                shutil.copy(file, own / split / name)


def plant_leaks(own: Path, rng: np.random.Generator) -> set[str]:
    """Copy training images to val/, half of them recompressed; return the paths of the copies."""
    files = rng.choice(sorted((own / "train").glob("*/*.jpg")), LEAK_COUNT, replace=False)
    planted = set()
    for number, file in enumerate(map(Path, files)):
        target = own / "val" / file.parent.name / f"other name {number}.jpg"
        if number % 2:
            shutil.copy(file, target)
        else:
            Image.open(file).save(target, quality=55)
        planted.add(target.relative_to(own).as_posix())
    return planted


def plant_wrong_labels(own: Path, rng: np.random.Generator) -> set[str]:
    """Move training images to another class folder; return their new paths."""
    files = rng.choice(sorted((own / "train").glob("*/*.jpg")), SWAPPED_LABEL_COUNT, replace=False)
    classes = sorted(folder.name for folder in (own / "train").iterdir())
    planted = set()
    for file in map(Path, files):
        step = int(rng.integers(1, len(classes)))
        other = classes[(classes.index(file.parent.name) + step) % len(classes)]
        target = own / "train" / other / f"moved {file.name}"
        file.rename(target)
        planted.add(target.relative_to(own).as_posix())
    return planted


def plant_black_images(own: Path) -> set[str]:
    """Add black images, all different; return their paths."""
    planted = set()
    for number, folder in enumerate(sorted((own / "train").iterdir())[:BLACK_IMAGE_COUNT]):
        target = folder / f"night {number}.png"
        Image.new("RGB", (200 + number, 200), (number, 0, 0)).save(target)
        planted.add(target.relative_to(own).as_posix())
    return planted


def run_own_images_pipeline(base: Path, folder: Path) -> dict[str, Any]:
    """Run the pipeline on such a folder in a copy of a finished clone, and commit.

    The raw folder is next to the project. Fine-tuning starts after the cached layer.

    Returns:
        The fields of OwnImagesRun except `folder`.
    """
    copy_finished_run(base, folder)
    own = folder.with_name("own images")
    copy_sample_classes(folder / "data/sample", own, CLASS_NAMES, 40, 20)
    rng = np.random.default_rng(7)
    planted = {"leaks": plant_leaks(own, rng), "labels": plant_wrong_labels(own, rng)}
    planted["black"] = plant_black_images(own)
    set_params(
        folder,
        {
            "data.raw": f"../{own.name}",
            "data.classes": None,
            "data.image_size": 128,
            "extract_train.epochs": 1,
            "finetune.epochs": 1,
            "backbone.cache_at": 143,
            "finetune.fine_tune_at": 150,
        },
    )
    refused = run_dvc_failing(folder, "repro", "audit")
    set_params(folder, {"audit.max_leaks": 100})
    stages = stages_run(refused) + stages_run(run_dvc(folder, "repro"))
    commit_all(folder)
    return {
        "refused_output": refused,
        "ran": stages,
        **{name: sorted(p) for name, p in planted.items()},
    }
