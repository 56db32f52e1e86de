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


def test_leaks_stop_the_run_and_are_named(own: OwnImagesRun) -> None:
    assert "audit.max_leaks = 0" in error_line(own.refused_output)
    assert len(own.leaks) == LEAK_COUNT
    for name in own.leaks:
        assert name in own.refused_output


def test_what_was_planted_is_found(own: OwnImagesRun) -> None:
    leaks = {
        row[end]
        for row in rows_of(own.folder, "duplicates")
        for end in ("first_source", "second_source")
        if row["across_splits"] == "1"
    }
    assert set(own.leaks) <= leaks
    suspects = [row["source"] for row in rows_of(own.folder, "labels")]
    assert len(set(own.labels) & set(suspects)) >= 0.9 * SWAPPED_LABEL_COUNT
    odd = {row["source"] for row in rows_of(own.folder, "images") if row["issue"] == "dark"}
    assert set(own.black) <= odd
    counts = counts_of(own.folder)
    assert counts["leaks"] == LEAK_COUNT
    assert counts["label_suspects"] == len(suspects)
