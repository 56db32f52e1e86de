"""Raw images in an experiment's temporary folder: those of the checkout, by a link."""

from pathlib import Path

import pytest

from stages.raw import check_raw_folder
from tench.data.sources.checkout_link import link_from_checkout


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with images in it and beside it; the current folder is an experiment's."""
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
    if again:  # in the folder that other experiments have, too
        assert not link_from_checkout(Path(raw))
    assert Path(raw).resolve() == (project / raw).resolve()
    assert (Path(raw) / "a.jpg").is_file()
    check_raw_folder(raw)


def test_a_link_to_what_is_no_more_is_renewed(project: Path) -> None:
    Path("data").mkdir()
    Path("data/mine").symlink_to("gone")
    assert link_from_checkout(Path("data/mine"))


@pytest.mark.parametrize("raw", ["data/none", "../../../../../../far", "../../../../data/new"])
def test_nothing_is_linked_to_nothing_nor_outside_of_temporary_folders(
    project: Path, raw: str
) -> None:
    before = sorted(project.parent.parent.rglob("*"))
    assert not link_from_checkout(Path(raw))
    assert sorted(project.parent.parent.rglob("*")) == before


def test_what_lies_there_stays(project: Path) -> None:
    Path("data/mine").mkdir(parents=True)
    assert not link_from_checkout(Path("data/mine"))
    assert not Path("data/mine").is_symlink()


def test_elsewhere_than_in_an_experiment_nothing_is_linked(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert not link_from_checkout(Path("data/new"))
