"""A changed parameter reruns what depends on it and nothing else, with real dvc on the sample."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from clones import Finished, change, dvc, ran

FINETUNE = {"finetune", "evaluate", "report"}
EXTRACT = {"extract-train"} | FINETUNE
EMBED = {"embed", "audit"} | EXTRACT
PREPARE = {"prepare"} | EMBED


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def planned(project: Path) -> set[str]:
    """The stages whose inputs dvc knows to have changed, without running any."""
    return set(ran(dvc(project, "repro", "--dry")))


def reruns(project: Path, stage: str) -> set[str]:
    """The stages that `dvc repro` runs: those up to `stage` for real, then those it plans to."""
    return {*ran(dvc(project, "repro", stage)), *planned(project)}


def test_fine_tuning_parameters_concern_the_last_two_stages(base: Finished, tmp_path: Path) -> None:
    """That evaluate follows a finetune run for real is in test_pipeline_experiments.py; here only
    what depends on the parameter itself is known to run."""
    for number, (key, value, stages) in enumerate(
        [
            ("finetune.learning_rate", 1e-5, {"finetune", "report"}),
            ("finetune.epochs", 1, {"finetune", "report"}),
            ("finetune.fine_tune_at", 140, FINETUNE),
            ("finetune.fine_tune_at", 100, FINETUNE),
            ("audit.max_leaks", 3, {"audit", "report"}),
        ]
    ):
        project = Path(shutil.copytree(base.folder, tmp_path / str(number)))
        change(project, {key: value})
        assert planned(project) == stages, key


@pytest.mark.parametrize(
    ("key", "value", "first", "stages"),
    [
        ("extract_train.learning_rate", 1e-3, "extract-train", EXTRACT),
        ("data.test_fraction", 0.3, "prepare", PREPARE),
        ("data.classes.n01440764", "tench", "prepare", PREPARE),
        ("data.image_size", 96, "prepare", PREPARE),
    ],
)
def test_what_depends_on_a_parameter_runs_again(
    project: Path, key: str, value: Any, first: str, stages: set[str]
) -> None:
    change(project, {key: value})
    assert reruns(project, first) == stages


def test_another_tap_leaves_the_pooled_features_and_the_head(project: Path) -> None:
    pooled, tapped = project / "data/features/pooled", project / "data/features/tapped"
    before = digests(pooled), digests(tapped)
    change(project, {"backbone.tap_at": 116})
    assert reruns(project, "embed") == EMBED - {"extract-train", "audit"}
    assert digests(pooled) == before[0]
    assert digests(tapped) != before[1]


def test_another_engine_embeds_again(project: Path) -> None:
    change(project, {"backbone.engine": "tensorflow"})
    assert planned(project) == EMBED - {"extract-train", "audit"}
