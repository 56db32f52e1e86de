"""`dvc repro` with invalid parameters, images or weights: one clear message, outputs unchanged."""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import h5py
from classifier_server import UNREACHABLE_URL
from own_images import copy_sample_classes
from pipeline_clones import (
    error_line,
    exclude_from_git,
    run_command,
    run_dvc,
    run_dvc_failing,
    set_params,
    stages_run,
)


def test_a_bad_parameter_is_named_and_costs_nothing(project: Path) -> None:
    outputs = [project / "models/classifier.keras", project / "metrics/evaluate.json"]
    before = [file.read_bytes() for file in outputs]
    set_params(project, {"finetune.fine_tune_at": 999})
    message = error_line(run_dvc_failing(project, "repro"))
    for part in ("params.yaml", "finetune.fine_tune_at", "999", "154"):
        assert part in message

    set_params(project, {"finetune.fine_tune_at": 130})
    assert stages_run(run_dvc(project, "repro")) == []
    assert [file.read_bytes() for file in outputs] == before


def test_all_bad_parameters_of_an_experiment_are_named(project: Path) -> None:
    settings = ("-S", "finetune.learning_rate=-1", "-S", "+finetune.momentum=0.9")
    output = run_dvc_failing(project, "exp", "run", *settings)
    assert "finetune.learning_rate = -1" in error_line(output)
    assert "finetune.momentum: unknown key" in output


def test_images_without_validation(project: Path) -> None:
    (project / "own/train").mkdir(parents=True)
    exclude_from_git(project, "own")
    set_params(project, {"data.raw": "own"})
    assert "own: has no folder val/" in error_line(run_dvc_failing(project, "repro"))


def test_too_many_unreadable_images(project: Path) -> None:
    own = project / "own"
    names = {"n01440764": "fish", "n02102040": "dog"}
    copy_sample_classes(project / "data/sample", own, names, train=8, val=5)
    broken = min((own / "train/dog").iterdir())
    broken.write_bytes(broken.read_bytes()[:1000])
    exclude_from_git(project, "own")
    set_params(project, {"data.raw": "own"})
    message = error_line(run_dvc_failing(project, "repro"))
    for part in ("class dog", "1 of 13", str(broken.relative_to(project)), "data.max_rejected"):
        assert part in message


def test_unreachable_weights(project: Path) -> None:
    offline: dict[str, Any] = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "https_proxy": UNREACHABLE_URL,
        "HTTPS_PROXY": UNREACHABLE_URL,
    }
    message = error_line(
        run_dvc_failing(project, "repro", "--force", "--single-item", "weights", **offline)
    )
    assert "imagenet-224" in message
    assert "backbone.weights" in message
    assert stages_run(run_dvc(project, "repro")) == []  # what was there before is back


def test_a_classifier_that_was_saved_wrongly_is_not_scored(project: Path) -> None:
    file = project / "models/classifier.keras"
    scores = (project / "metrics/evaluate.json").read_bytes()
    with zipfile.ZipFile(file) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    weights = io.BytesIO(content["model.weights.h5"])
    with h5py.File(weights, "r+") as opened:
        kernel = opened["layers/dense_1/vars/0"]
        assert kernel.shape == (64, 10)
        kernel[...] = kernel[...][:, ::-1]  # each class gets another's weights
    content["model.weights.h5"] = weights.getvalue()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    run_dvc(
        project, "commit", "--force", str(file.relative_to(project))
    )  # as if finetune wrote it so
    answer = run_command(project, sys.executable, "-m", "stages.evaluate")
    assert answer.returncode == 1
    assert "before and after it was saved disagree" in error_line(answer.stdout)
    assert (project / "metrics/evaluate.json").read_bytes() == scores
