"""DVC never deletes images in the sample's folder."""

from pathlib import Path

from imagenette_stand_in import read_folder, write_unsorted_files
from pipeline_clones import clone_checkout, run_dvc_failing

OUT = Path("data/sample")


def test_dvc_never_deletes_images_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone_checkout(folder)
    write_unsorted_files(folder / OUT / "train/rose")
    before = read_folder(folder / OUT)
    for command in (["repro"], ["repro", "--force"], ["exp", "run"]):
        said = run_dvc_failing(folder, *command, "data/dvc.yaml:sample")
        assert f"error: {OUT}: this is not the sample as it was drawn" in said
        assert read_folder(folder / OUT) == before
