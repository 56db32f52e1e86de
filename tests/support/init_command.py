"""Run `python -m tench.data.init`, the command of `make adopt`, on small images in a project."""

import io
import runpy
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image
from pipeline_clones import CHECKOUT

COMMITTED_PARAMS = (CHECKOUT / "params.yaml").read_text(encoding="utf-8")
PARAMS = Path("params.yaml")


def make_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with the committed params.yaml and enter it."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shutil.copy(CHECKOUT / "params.yaml", PARAMS)
    return folder


def draw(*files: str) -> None:
    """Write a small image for each path, in the format of its suffix."""
    for number, name in enumerate(files):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40 + number, 30), (number % 256, 0, 0)).save(name)


def draw_classes(folder: str, classes: str = "ab", count: int = 5) -> None:
    """Write class folders, one per letter, with `count` images each."""
    draw(*(f"{folder}/{name}/{n}.png" for name in classes for n in range(count)))


def adopt(*arguments: str, code: int = 0) -> str:
    """Run the command in this process, which is faster, and return its output.

    Args:
        arguments: of the command.
        code: the expected exit status.
    """
    output, status = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(output):
        patch.setattr(sys, "argv", ["tench.data.init", *arguments])
        try:
            runpy.run_module("tench.data.init", run_name="__main__")
        except SystemExit as end:
            if isinstance(end.code, str):  # Python prints it and exits with 1
                print(end.code)
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    assert status == code, output.getvalue()
    return output.getvalue()
