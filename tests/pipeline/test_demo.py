"""make demo: on the drawn images, whatever params.yaml is in the current folder."""

import os
import shutil
from pathlib import Path

import pytest
from pipeline_clones import clone_checkout, run_command

from tench.core.params import load_params

COMMITTED = load_params(Path(__file__).parents[2] / "params.yaml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone that is set up, but with programs that do nothing: what is tried is the Makefile."""
    folder = tmp_path / "a checkout"
    clone_checkout(folder)
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("dvc", "python"):
        (folder / ".venv/bin" / name).symlink_to(str(shutil.which("true")))
    (folder / ".venv/ready").touch()
    return folder


def test_setup_never_empties_what_a_link_leads_to(tmp_path: Path) -> None:
    folder = tmp_path / "a checkout"
    clone_checkout(folder)
    (tmp_path / "another").mkdir()
    (tmp_path / "another/kept").touch()
    (folder / ".venv").symlink_to(tmp_path / "another")
    answer = run_command(folder, "make", "setup")
    assert answer.returncode
    assert "error: .venv is a link" in answer.stdout
    assert (tmp_path / "another/kept").exists()


@pytest.mark.parametrize("raw", ["data/flowers", "../my own, really", "data/sample"])
def test_demo_runs_on_the_sample(checkout: Path, raw: str) -> None:
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    changed = text.replace("raw: data/imagenette", f"raw: {raw}").replace("epochs: 3", "epochs: 9")
    (checkout / "params.yaml").write_text(changed, encoding="utf-8")
    for _ in range(2):
        answer = run_command(checkout, "make", "demo", PATH=os.defpath + ":/usr/local/bin")
        assert answer.returncode == 0, answer.stdout
        params = load_params(checkout / "demo/params.yaml")
        assert params.data.raw == "data/sample"
        expected = COMMITTED.data.model_copy(update={"raw": "data/sample"})
        assert params == COMMITTED.model_copy(update={"data": expected})


def test_demo_runs_on_the_sample_where_other_images_are_committed(checkout: Path) -> None:
    text = (checkout / "params.yaml").read_text(encoding="utf-8")
    changed = text.replace("raw: data/imagenette", 'raw: "/my/own & images"').replace("42", "7")
    changed = changed.replace("groups: null", "groups: (patient\\d+)")
    (checkout / "params.yaml").write_text(changed, encoding="utf-8")
    assert run_command(checkout, "git", "commit", "--quiet", "-a", "-m", "own").returncode == 0
    answer = run_command(checkout, "make", "demo", PATH=os.defpath + ":/usr/local/bin")
    assert answer.returncode == 0, answer.stdout
    params = load_params(checkout / "demo/params.yaml")
    assert (params.data.raw, params.data.groups, params.seed) == ("data/sample", None, 7)
