"""Planted mistakes in the images, and the real audit that has to find them."""

import json
from pathlib import Path

from pipeline_clones import FinishedRun


def counts_of(project: Path) -> dict[str, object]:
    return dict(json.loads((project / "metrics/audit.json").read_text(encoding="utf-8")))


def test_the_clean_sample_has_no_leak(finished_run: FinishedRun) -> None:
    counts = counts_of(finished_run.folder)
    assert counts["leaks"] == 0
    assert counts["images"] == 600
    assert counts["balance"] == {"smallest_class": 40, "largest_class": 40, "ratio": 1.0}
