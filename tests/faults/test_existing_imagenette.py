"""DVC never deletes images in Imagenette's folder."""

from pathlib import Path

import pytest
from imagenette_stand_in import (
    IMAGENETTE_FOLDER,
    isolate_folder,
    read_folder,
    write_unsorted_files,
)
from pipeline_clones import clone_checkout, run_dvc_failing


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory, and no Imagenette within reach."""
    isolate_folder(tmp_path, monkeypatch)


def test_dvc_never_deletes_images_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone_checkout(folder)
    write_unsorted_files(folder / IMAGENETTE_FOLDER / "train/rose")
    before = read_folder(folder / IMAGENETTE_FOLDER)
    for command in (["repro"], ["repro", "--force"], ["exp", "run"]):
        said = run_dvc_failing(folder, *command, "data/dvc.yaml:imagenette")
        assert f"error: {IMAGENETTE_FOLDER}: its train/ is not that of Imagenette" in said
        assert read_folder(folder / IMAGENETTE_FOLDER) == before
