"""Planted mistakes in the pictures, and the real audit that has to find them."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from clones import change, dvc, message, refusal
from PIL import Image

LEAKS, SWAPPED, BLACK = 6, 20, 4


def rows_of(project: Path, name: str) -> list[dict[str, str]]:
    with (project / "metrics/audit" / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def plant_leaks(own: Path, rng: np.random.Generator) -> set[str]:
    """Copy training pictures to val/, half of them compressed anew; return their names there."""
    files = rng.choice(sorted((own / "train").glob("*/*.jpg")), LEAKS, replace=False)
    planted = set()
    for number, file in enumerate(map(Path, files)):
        target = own / "val" / file.parent.name / f"other name {number}.jpg"
        if number % 2:
            shutil.copy(file, target)
        else:
            Image.open(file).save(target, quality=55)
        planted.add(target.relative_to(own).as_posix())
    return planted


def plant_labels(own: Path, rng: np.random.Generator) -> set[str]:
    """Move training pictures into another class's folder; return where they are now."""
    files = rng.choice(sorted((own / "train").glob("*/*.jpg")), SWAPPED, replace=False)
    classes = sorted(folder.name for folder in (own / "train").iterdir())
    planted = set()
    for file in map(Path, files):
        step = int(rng.integers(1, len(classes)))
        other = classes[(classes.index(file.parent.name) + step) % len(classes)]
        target = own / "train" / other / f"moved {file.name}"
        file.rename(target)
        planted.add(target.relative_to(own).as_posix())
    return planted


def plant_black(own: Path) -> set[str]:
    """Add black pictures, no two alike; return where they are."""
    planted = set()
    for number, folder in enumerate(sorted((own / "train").iterdir())[:BLACK]):
        target = folder / f"night {number}.png"
        Image.new("RGB", (200 + number, 200), (number, 0, 0)).save(target)
        planted.add(target.relative_to(own).as_posix())
    return planted


@pytest.fixture
def planted(project: Path) -> tuple[Path, dict[str, set[str]]]:
    """A finished clone whose data.raw is the sample with planted mistakes."""
    own = Path(shutil.copytree(project / "data/sample", project / "own"))
    rng = np.random.default_rng(7)
    what = {"leaks": plant_leaks(own, rng), "labels": plant_labels(own, rng)}
    what["black"] = plant_black(own)
    change(project, {"data.raw": "own", "audit.max_leaks": 0})
    return project, what


def test_the_audit_finds_what_was_planted(planted: tuple[Path, dict[str, set[str]]]) -> None:
    project, what = planted
    output = refusal(project, "repro", "audit")
    assert "audit.max_leaks = 0" in message(output)
    for name in what["leaks"]:
        assert name in output
    leaks = {
        row[end]
        for row in rows_of(project, "duplicates")
        for end in ("first_source", "second_source")
        if row["across_splits"] == "1"
    }
    assert what["leaks"] <= leaks

    change(project, {"audit.max_leaks": 100})
    dvc(project, "repro", "audit")
    suspects = [row["source"] for row in rows_of(project, "labels")]
    assert len(what["labels"] & set(suspects)) >= 0.9 * SWAPPED
    odd = {row["source"] for row in rows_of(project, "pictures") if row["issue"] == "dark"}
    assert what["black"] <= odd
    counts = json.loads((project / "metrics/audit.json").read_text(encoding="utf-8"))
    assert counts["leaks"] >= LEAKS
    assert counts["label_suspects"] == len(suspects)


def test_the_clean_sample_has_no_leak(project: Path) -> None:
    counts = json.loads((project / "metrics/audit.json").read_text(encoding="utf-8"))
    assert counts["leaks"] == 0
    assert counts["pictures"] == 600
    assert counts["balance"] == {"smallest_class": 40, "largest_class": 40, "ratio": 1.0}
