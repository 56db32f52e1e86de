"""A user's own folder of pictures: other classes, any names, with and without data.classes."""

import json
import zipfile
from pathlib import Path

from clones import REMOVED, change, dvc, own_pictures, ran

NAMES = ["Grüße & 東京", "<script>alert(1)<", "with blanks"]
STAGES = {"prepare", "embed", "audit", "extract-train", "finetune", "evaluate", "report"}


def outputs(classifier: Path) -> int:
    """The number of probabilities a saved classifier gives."""
    with zipfile.ZipFile(classifier) as archive:
        layers = json.loads(archive.read("config.json"))["config"]["layers"]
    return int(layers[-2]["config"]["units"])


def test_own_pictures_need_no_list_of_classes(project: Path) -> None:
    own_pictures(project, dict(zip(("n02979186", "n03028079", "n03425413"), NAMES, strict=True)))
    change(
        project,
        {
            "data.raw": "own",
            "data.classes": REMOVED,
            "data.image_size": 64,
            "extract_train.epochs": 1,
            "finetune.epochs": 1,
            "finetune.fine_tune_at": 100,  # before the tap: finetune makes its own activations
        },
    )
    stages = ran(dvc(project, "repro"))
    assert set(stages[stages.index("prepare") :]) == STAGES
    labels = (project / "models/labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels == sorted(NAMES)
    assert outputs(project / "models/classifier.keras") == 3
    scores = json.loads((project / "metrics/evaluate.json").read_text(encoding="utf-8"))
    assert scores["finetuned"]["pictures"] == 3  # one of every class
    assert not (project / "data/activations").exists()
    page = (project / "report/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;" in page

    # a list of classes that none of the folders is in changes nothing but what the report quotes
    change(project, {"data.classes": {"n01440764": "fish", "n02102040": "dog"}})
    assert ran(dvc(project, "repro")) == ["prepare", "report"]
