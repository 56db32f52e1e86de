"""Planted leaks, wrong labels and dark images, found by the audit."""

import csv
import json
from pathlib import Path

from own_images import LEAK_COUNT, SWAPPED_LABEL_COUNT, OwnImagesRun
from pipeline_clones import error_line


def rows_of(project: Path, name: str) -> list[dict[str, str]]:
    with (project / "metrics/audit" / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def counts_of(project: Path) -> dict[str, object]:
    return dict(json.loads((project / "metrics/audit.json").read_text(encoding="utf-8")))


def test_leaks_stop_the_run_and_are_named(own_images_run: OwnImagesRun) -> None:
    assert "audit.max_leaks = 0" in error_line(own_images_run.refused_output)
    assert len(own_images_run.leaks) == LEAK_COUNT
    for name in own_images_run.leaks:
        assert name in own_images_run.refused_output


def test_planted_problems_are_found(own_images_run: OwnImagesRun) -> None:
    leaks = {
        row[end]
        for row in rows_of(own_images_run.folder, "duplicates")
        for end in ("first_source", "second_source")
        if row["across_splits"] == "1"
    }
    assert set(own_images_run.leaks) <= leaks
    suspects = [row["source"] for row in rows_of(own_images_run.folder, "labels")]
    assert len(set(own_images_run.labels) & set(suspects)) >= 0.9 * SWAPPED_LABEL_COUNT
    odd = {
        row["source"] for row in rows_of(own_images_run.folder, "images") if row["issue"] == "dark"
    }
    assert set(own_images_run.black) <= odd
    counts = counts_of(own_images_run.folder)
    assert counts["leaks"] == LEAK_COUNT
    assert counts["label_suspects"] == len(suspects)
