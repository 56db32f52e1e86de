"""A user's own folder of images: other classes, any names, with and without data.classes."""

import json
import zipfile
from pathlib import Path

from own_images import CLASS_NAMES, OwnImagesRun
from pipeline_clones import STAGES_AFTER_SAMPLE, run_dvc, set_params, stages_run

STAGES = [*STAGES_AFTER_SAMPLE, "audit"]  # twice: first it is refused


def outputs(classifier: Path) -> int:
    """The number of probabilities a saved classifier gives."""
    with zipfile.ZipFile(classifier) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    return int(layers[-2]["config"]["units"])


def test_own_images_need_no_list_of_classes(own_images_run: OwnImagesRun) -> None:
    assert sorted(own_images_run.ran[own_images_run.ran.index("prepare") :]) == sorted(STAGES)
    labels = (own_images_run.folder / "models/labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == sorted(CLASS_NAMES.values())
    assert outputs(own_images_run.folder / "models/classifier.keras") == len(CLASS_NAMES)


def test_own_images_are_counted_and_scored(own_images_run: OwnImagesRun) -> None:
    counts = json.loads((own_images_run.folder / "metrics/split.json").read_text(encoding="utf-8"))
    assert counts["train"]["images"] == 40 * len(CLASS_NAMES) + len(own_images_run.black)
    scores = json.loads(
        (own_images_run.folder / "metrics/evaluate.json").read_text(encoding="utf-8")
    )
    assert scores["finetuned"]["images"] == counts["test"]["images"]


def test_activations_made_on_the_way_are_gone(own_images_run: OwnImagesRun) -> None:
    assert not list((own_images_run.folder / "data").glob("activations*"))


def test_hostile_class_names_are_text_on_the_page(own_images_run: OwnImagesRun) -> None:
    page = (own_images_run.folder / "report/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page


def test_names_for_other_folders_change_nothing_but_what_is_quoted(own_project: Path) -> None:
    set_params(own_project, {"data.classes": {"n01440764": "fish", "n02102040": "dog"}})
    assert stages_run(run_dvc(own_project, "repro", "prepare")) == ["prepare"]
    assert stages_run(run_dvc(own_project, "repro", "--dry")) == ["export", "report"]
