"""Many small images for the measurements of docs/scale.md, and their extrapolation."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.many import write_dataset
from benchmarks.scale import memory_limited
from benchmarks.scale_plot import extrapolate, format_costs, growth_exponent
from tench.run.dvc_digest import dvc_digest


def test_many_images_are_all_different_and_the_same_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("train/a", "train/b", "val/a"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for number in range(2):
            pixels = rng.integers(0, 256, (8, 10, 3), np.uint8)
            large = Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC)
            large.save(tmp_path / f"raw/{folder}/{number}.png")
    for out in ("one", "two"):
        write_dataset(tmp_path / "raw", 50, 3, tmp_path / out)
    assert dvc_digest(tmp_path / "one") == dvc_digest(tmp_path / "two")
    files = sorted((tmp_path / "one").rglob("*.jpg"))
    assert len({file.read_bytes() for file in files}) == 50
    assert [len(list(folder.iterdir())) for folder in sorted((tmp_path / "one").iterdir())] == [
        *(16, 17, 17)
    ]


def test_figures_are_drawn_on_to_a_million() -> None:
    linear = {1000: 999.0, 10_000: 15.0, 100_000: 105.0}  # 5 and 1 every thousand, from 10,000 on
    assert extrapolate(linear) == pytest.approx(1005)
    steeper = {10_000: 5 + 1.0, 100_000: 5 + 10**1.5}
    assert extrapolate(steeper, 1.5) == pytest.approx(5 + 1000)
    assert extrapolate({1000: 3.0}) is None
    assert growth_exponent({10_000: 2.0, 100_000: 20.0}) == "1.00"


def test_twenty_machines_share_what_can_be_shared() -> None:
    hour = 3600.0
    shown = format_costs(
        {"embed": {1000: 40 * hour}, "weights": {1000: 1 * hour}, "all": {1000: 1.0}}
    )
    small, large = ([cell.strip() for cell in line.split("|")] for line in shown.splitlines()[2:])
    assert small[2:7] == ["0.0816", "41.0", "3.35", "3.0", "3.35"]
    assert large[2:7] == ["0.6528", "6.0", "3.92", "1.2", "3.92"]


def test_an_unlimited_process_reports_it_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "benchmarks.scale.CGROUP_FOLDERS", (tmp_path / "none", tmp_path / "neither")
    )
    with (
        pytest.raises(SystemExit, match=r"^error: --memory-gb: cannot create a memory cgroup"),
        memory_limited(4),
    ):
        pass
    with memory_limited(None) as before:
        assert before == []
