"""Mistakes of the user, met by real dvc: one clear message, no traceback, nothing lost."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from pipeline_clones import (
    CHECKOUT,
    error_line,
    run_dvc_failing,
    set_params,
)

STAGES = sorted(file.stem for file in (CHECKOUT / "stages").glob("[!_]*.py"))


def test_missing_images_have_three_options(project: Path) -> None:
    set_params(project, {"data.raw": "no/such/folder"})
    output = run_dvc_failing(project, "repro")
    assert "data.raw = no/such/folder" in error_line(output)
    for way in ("1. your own images", "2. Imagenette", "3. the drawn sample"):
        assert way in output


def test_other_packages_than_those_pinned_are_refused(project: Path) -> None:
    pinned = project / "packages.yaml"
    pinned.write_text(re.sub('pillow: ".*"', 'pillow: "1.0"', pinned.read_text()))
    message = error_line(run_dvc_failing(project, "repro"))
    for part in ("pillow", "instead of 1.0", "make setup"):
        assert part in message


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_explains_itself(
    stage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, f"stages.{stage}", raising=False)  # runpy warns of it
    monkeypatch.setattr(sys, "argv", [stage, "--help"])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module(f"stages.{stage}", run_name="__main__", alter_sys=True)
    assert caught.value.code == 0
    source = (CHECKOUT / "stages" / f"{stage}.py").read_text(encoding="utf-8")
    docstring = source.split('"""')[1].strip()
    assert docstring in capsys.readouterr().out
