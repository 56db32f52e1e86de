"""Image folders that contain DVC files: no command in them runs."""

import shutil
from pathlib import Path

import pytest
from pipeline_clones import clone_checkout, exclude_from_git, run_dvc, set_params
from small_images import RAW_FOLDER, write_small_images

from tench.data.index import read_index

CLASS = "\N{FISH} \u200f\u0627\u0644\u0639\u0631\u0628 <b>${x} `touch pwned`"


EVIL = """\
stages:
  evil:
    cmd: touch {mark}; touch z.png
    outs: [z.png]
"""


IMPORT = """\
deps: [{{path: {code}}}]
outs: [{{path: ../../../tench/core/evil.py}}]
"""


def test_dvc_runs_nothing_and_writes_nothing_that_images_bring_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_small_images(*(f"{name}/{n}.png" for name in "ab" for n in range(10)))
    project = tmp_path / "project"
    project.mkdir()
    clone_checkout(project)
    folder = project / "data/mine"
    shutil.copytree(RAW_FOLDER, folder)
    (folder / "a").rename(folder / CLASS)
    mark, code = tmp_path / "mark", tmp_path / "code.py"
    code.write_text("evil = 1\n")
    (folder / "b/dvc.yaml").write_text(EVIL.format(mark=mark))
    (folder / "b/z.dvc").write_text(IMPORT.format(code=code))
    for place in (folder, folder / "b"):
        (place / ".dvcignore").write_text("!dvc.yaml\n!*.dvc\n*.png\n")
    exclude_from_git(project, "data/mine")
    set_params(project, {"data.raw": "data/mine", "data.classes": None})
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(project)}
    run_dvc(project, "repro", "prepare")
    assert {path for path in tmp_path.rglob("*") if not path.is_relative_to(project)} == before
    assert not mark.exists()
    assert not (project / "tench/core/evil.py").exists()
    assert not list(project.rglob("pwned"))
    rows = read_index(project / "data/prepared/images.csv")
    assert len(rows) == 20
    assert CLASS in {row.class_name for row in rows}
