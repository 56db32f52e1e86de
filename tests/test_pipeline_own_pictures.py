"""A user's own folder of pictures: other classes, any names, with and without data.classes."""

import json
import zipfile
from pathlib import Path

import pytest
from clones import AFTER_SAMPLE, change, dvc, ran
from own_folder import NAMES, Own

pytestmark = pytest.mark.experiments

STAGES = [*AFTER_SAMPLE, "audit"]  # twice: first it is refused


def outputs(classifier: Path) -> int:
    """The number of probabilities a saved classifier gives."""
    with zipfile.ZipFile(classifier) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    return int(layers[-2]["config"]["units"])


def test_own_pictures_need_no_list_of_classes(own: Own) -> None:
    assert sorted(own.ran[own.ran.index("prepare") :]) == sorted(STAGES)
    labels = (own.folder / "models/labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == sorted(NAMES.values())
    assert outputs(own.folder / "models/classifier.keras") == len(NAMES)


def test_own_pictures_are_counted_and_scored(own: Own) -> None:
    counts = json.loads((own.folder / "metrics/split.json").read_text(encoding="utf-8"))
    assert counts["train"]["pictures"] == 40 * len(NAMES) + len(own.black)
    scores = json.loads((own.folder / "metrics/evaluate.json").read_text(encoding="utf-8"))
    assert scores["finetuned"]["pictures"] == counts["test"]["pictures"]


def test_activations_made_on_the_way_are_gone(own: Own) -> None:
    """Fine-tuning began before the tap."""
    assert not list((own.folder / "data").glob("activations*"))


def test_hostile_class_names_are_text_on_the_page(own: Own) -> None:
    page = (own.folder / "report/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page


def test_names_for_other_folders_change_nothing_but_what_is_quoted(own_project: Path) -> None:
    change(own_project, {"data.classes": {"n01440764": "fish", "n02102040": "dog"}})
    assert ran(dvc(own_project, "repro", "prepare")) == ["prepare"]
    assert ran(dvc(own_project, "repro", "--dry")) == ["export", "report"]
