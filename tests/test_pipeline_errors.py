"""Mistakes of the user, met by real dvc: one clear message, no traceback, nothing lost."""

import sys
from pathlib import Path
from typing import Any

import pytest
from clones import CHECKOUT, change, dvc, message, own_pictures, ran, refusal, run

STAGES = sorted(file.stem for file in (CHECKOUT / "stages").glob("[!_]*.py"))
UNREACHABLE = "http://127.0.0.1:9"  # a proxy that is not there


def test_a_bad_parameter_is_named_and_costs_nothing(project: Path) -> None:
    outputs = [project / "models/classifier.keras", project / "metrics/evaluate.json"]
    before = [file.read_bytes() for file in outputs]
    change(project, {"finetune.fine_tune_at": 999})
    told = message(refusal(project, "repro"))
    for part in ("params.yaml", "finetune.fine_tune_at", "999", "154"):
        assert part in told

    change(project, {"finetune.fine_tune_at": 130})
    assert ran(dvc(project, "repro")) == []
    assert [file.read_bytes() for file in outputs] == before


def test_all_bad_parameters_of_an_experiment_are_named(project: Path) -> None:
    settings = ("-S", "finetune.learning_rate=-1", "-S", "+finetune.momentum=0.9")
    output = refusal(project, "exp", "run", *settings)
    assert "finetune.learning_rate = -1" in message(output)
    assert "finetune.momentum: unknown key" in output


def test_missing_pictures_have_three_ways_on(project: Path) -> None:
    change(project, {"data.raw": "no/such/folder"})
    output = refusal(project, "repro")
    assert "data.raw = no/such/folder" in message(output)
    for way in ("1. your own pictures", "2. Imagenette", "3. the drawn sample"):
        assert way in output


def test_pictures_without_validation(project: Path) -> None:
    (project / "own/train").mkdir(parents=True)
    change(project, {"data.raw": "own"})
    assert "own: has no folder val/" in message(refusal(project, "repro"))


def test_too_many_unreadable_pictures(project: Path) -> None:
    own = own_pictures(project, {"n01440764": "fish", "n02102040": "dog"})
    broken = min((own / "train/dog").iterdir())
    broken.write_bytes(broken.read_bytes()[:1000])
    change(project, {"data.raw": "own"})
    told = message(refusal(project, "repro"))
    for part in ("class dog", "1 of 13", str(broken.relative_to(project)), "data.max_rejected"):
        assert part in told


def test_unreachable_weights(project: Path) -> None:
    offline: dict[str, Any] = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "https_proxy": UNREACHABLE,
        "HTTPS_PROXY": UNREACHABLE,
    }
    told = message(refusal(project, "repro", "--force", "--single-item", "weights", **offline))
    assert "imagenet-224" in told
    assert "backbone.weights" in told
    assert ran(dvc(project, "repro")) == []  # what was there before is back


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_explains_itself(stage: str) -> None:
    answer = run(CHECKOUT, sys.executable, "-m", f"stages.{stage}", "--help")
    assert answer.returncode == 0
    source = (CHECKOUT / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    docstring = source.split('"""')[1].strip()
    assert docstring in answer.stdout
