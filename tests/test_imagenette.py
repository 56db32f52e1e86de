"""imagenette: the right pictures from a folder nearby; what lies there already is never deleted."""

from pathlib import Path

import pytest
from clones import clone, refusal
from stand_in import (
    OUT,
    PARTS,
    alone,
    arrived,
    content,
    error,
    has_three_ways,
    right_pictures,
    write_files,
)

from tench.sources import imagenette
from tench.sources.git_tree import tree_id


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone(tmp_path, monkeypatch)


@pytest.fixture
def right(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as Imagenette here."""
    return right_pictures(monkeypatch)


def test_named_folder_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "gone/imagenette")
    said = error()
    assert said.startswith("IMAGENETTE_DIR = gone/imagenette: no such folder")
    assert has_three_ways(said)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.usefixtures("right")
def test_named_folder_without_train_or_val(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    Path("right", part).rename("elsewhere")
    monkeypatch.setenv("IMAGENETTE_DIR", "right")
    said = error()
    assert said.startswith(f"IMAGENETTE_DIR = right: there is no {part}/ in it")
    assert has_three_ways(said)


def test_other_pictures_are_refused_with_their_id(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in PARTS:
        write_files(Path("mine") / part)
    monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    said = error()
    assert said.startswith("IMAGENETTE_DIR = mine: its train/ is not that of Imagenette")
    assert tree_id(Path("mine/train")) in said
    assert imagenette.TREES["train"] in said
    assert has_three_ways(said)
    assert not OUT.parent.exists()


@pytest.mark.parametrize("where", ["named", "beside"])
def test_right_pictures_are_copied(
    right: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "named":
        monkeypatch.setenv("IMAGENETTE_DIR", str(right))
    else:
        monkeypatch.setattr(imagenette, "BESIDE", right)
    imagenette.obtain(OUT)
    assert arrived()


@pytest.mark.parametrize("linked", [False, True])
def test_right_pictures_that_lie_there_are_kept(right: Path, linked: bool) -> None:
    OUT.parent.mkdir()
    if linked:
        OUT.symlink_to(right.resolve())
    else:
        right.rename(OUT)
    (OUT / "train/.DS_Store").write_bytes(b"Finder was here")
    before = content(OUT), (OUT / "train/own").stat().st_ino
    imagenette.obtain(OUT)
    assert (content(OUT), (OUT / "train/own").stat().st_ino) == before
    assert OUT.is_symlink() == linked


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.usefixtures("right")
def test_other_pictures_that_lie_there_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "right")  # they would be at hand
    mine = Path("mine").absolute() if linked else OUT
    write_files(mine / "train")
    if linked:
        OUT.parent.mkdir()
        OUT.symlink_to(mine)
    before = content(OUT)
    said = error()
    assert said.startswith(f"{OUT}: its train/ is not that of Imagenette")
    assert "move it, for example to data/mine, and set data.raw in params.yaml to that" in said
    assert "move or delete it and run again" in said
    assert content(OUT) == before


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_what_is_no_folder_is_left_alone(kind: str) -> None:
    OUT.parent.mkdir()
    OUT.touch() if kind == "file" else OUT.symlink_to("gone")
    assert error().startswith(f"{OUT}: it is no folder; it is left as it is")
    assert OUT.is_file() or OUT.is_symlink()


def test_empty_folder_is_filled_and_what_a_killed_run_left_swept(
    right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", str(right))
    OUT.mkdir(parents=True)
    write_files(OUT.with_name(f".part-{OUT.name}") / "train")
    imagenette.obtain(OUT)
    assert arrived()


@pytest.mark.faults
def test_dvc_never_deletes_pictures_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone(folder)
    write_files(folder / OUT / "train/rose")
    before = content(folder / OUT)
    for command in (["repro"], ["repro", "--force"], ["exp", "run"]):
        said = refusal(folder, *command, "data/dvc.yaml:imagenette")
        assert f"error: {OUT}: its train/ is not that of Imagenette" in said
        assert content(folder / OUT) == before
