"""The real thing: the whole pipeline on all 13,394 images of Imagenette, in a temporary clone."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tench.core.files import write_csv
from tench.core.origins import is_imagenette
from tench.data.decode.decoder import read_image
from tench.data.decode.resize import pixel_digest

ROOT = Path(__file__).parents[3]
IMAGES = Path(os.environ.get("IMAGENETTE_DIR", ROOT / "../shared/imagenette")).resolve()


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, dict]:
    """The metrics of a run from nothing, and those the checkout has committed."""
    if not IMAGES.is_dir():
        pytest.skip("needs Imagenette: set IMAGENETTE_DIR")
    clone = tmp_path_factory.mktemp("imagenette") / "tench"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    committed = read_metrics(clone)
    shutil.rmtree(clone / "metrics")
    environment = {**os.environ, "IMAGENETTE_DIR": str(IMAGES)}
    subprocess.run(["dvc", "repro"], cwd=clone, check=True, env=environment)
    return read_metrics(clone), committed


def read_metrics(folder: Path) -> dict:
    """All metrics of a checkout, by file name."""
    files = ("split", "audit", "extract-train/metrics", "finetune/metrics", "evaluate")
    return {name: json.loads((folder / f"metrics/{name}.json").read_text()) for name in files}


def test_every_image_is_prepared(metrics: tuple[dict, dict]) -> None:
    counts = metrics[0]["split"]
    images = [counts[split]["images"] for split in ("train", "val", "test")]
    seen = [counts[split]["seen_by_backbone"] for split in ("train", "val", "test")]
    assert (images, counts["rejected"]) == ([9469, 3140, 785], 0)
    assert seen[0] == 9469 - 366
    assert seen[1] + seen[2] == 3925 - 134


def test_the_audit_finds_no_image_in_two_splits(metrics: tuple[dict, dict]) -> None:
    fresh, committed = (m["audit"] for m in metrics)
    assert fresh["images"] == 13_394
    assert fresh["leaks"] == 0
    assert fresh["label_suspects"] == pytest.approx(committed["label_suspects"], abs=10)


def test_it_learns_as_well_as_plain_keras(metrics: tuple[dict, dict]) -> None:
    slack = 0.005  # another processor rounds differently
    assert metrics[0]["extract-train/metrics"]["val"]["accuracy"] >= 0.955
    assert metrics[0]["finetune/metrics"]["val"]["accuracy"] >= 0.965 - slack


def test_accuracies_are_the_committed_ones(metrics: tuple[dict, dict]) -> None:
    fresh, committed = (m["evaluate"] for m in metrics)
    for model in ("frozen", "finetuned"):
        assert fresh[model]["accuracy"] == pytest.approx(committed[model]["accuracy"], abs=0.005)


def test_its_digest_is_of_these_images(tmp_path: Path) -> None:
    if not IMAGES.is_dir():
        pytest.skip("needs Imagenette: set IMAGENETTE_DIR")
    files = [file for part in ("train", "val") for file in (IMAGES / part).glob("*/*.JPEG")]
    rows = [(file.relative_to(IMAGES).as_posix(), pixel_digest(read_image(file))) for file in files]
    write_csv(("source", "sha256"), rows, tmp_path / "index.csv")
    assert is_imagenette(tmp_path / "index.csv")
    write_csv(("source", "sha256"), rows[1:], tmp_path / "index.csv")
    assert not is_imagenette(tmp_path / "index.csv")
