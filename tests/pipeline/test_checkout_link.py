"""Links to the checkout's raw images in an experiment's temporary folder."""

from pathlib import Path

import pytest

from stages.raw import check_raw_folder
from tench.data.sources.checkout_link import link_from_checkout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with images inside and outside; the current folder is an experiment's."""
    project = tmp_path / "work/checkout"
    for folder in ("work/checkout/data/mine", "work/beside", "far"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.jpg").touch()
    experiment = project / ".dvc/tmp/exps/standalone/tmpx"
    experiment.mkdir(parents=True)
    monkeypatch.chdir(experiment)
    return project


@pytest.mark.parametrize("raw", ["data/mine", "../beside", "./data/mine/"])
@pytest.mark.parametrize("again", [False, True])
def test_an_experiment_uses_the_checkouts_images(project: Path, raw: str, again: bool) -> None:
    assert link_from_checkout(Path(raw))
    if again:  # as in a folder shared by several experiments
        assert not link_from_checkout(Path(raw))
    assert Path(raw).resolve() == (project / raw).resolve()
    assert (Path(raw) / "a.jpg").is_file()
    check_raw_folder(raw)


def test_broken_link_is_replaced(project: Path) -> None:
    Path("data").mkdir()
    Path("data/mine").symlink_to("gone")
    assert link_from_checkout(Path("data/mine"))


@pytest.mark.parametrize("raw", ["data/none", "../../../../../../far", "../../../../data/new"])
def test_no_link_to_missing_images_or_outside_the_temporary_folder(project: Path, raw: str) -> None:
    before = sorted(project.parent.parent.rglob("*"))
    assert not link_from_checkout(Path(raw))
    assert sorted(project.parent.parent.rglob("*")) == before


def test_existing_folder_is_not_replaced(project: Path) -> None:
    Path("data/mine").mkdir(parents=True)
    assert not link_from_checkout(Path("data/mine"))
    assert not Path("data/mine").is_symlink()


def test_no_link_outside_an_experiment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert not link_from_checkout(Path("data/new"))
