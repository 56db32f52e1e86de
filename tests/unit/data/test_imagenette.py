"""imagenette: the right images from a folder nearby; what lies there already is never deleted."""

from pathlib import Path

import pytest
from imagenette_stand_in import (
    IMAGENETTE_FOLDER,
    SPLIT_FOLDERS,
    is_imagenette_complete,
    isolate_folder,
    lists_three_ways,
    make_valid_images,
    read_folder,
    stage_error_message,
    write_unsorted_files,
)

from tench.data.sources import imagenette
from tench.data.sources.git_tree import tree_id


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_folder(tmp_path, monkeypatch)


@pytest.fixture
def right(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that counts as Imagenette here."""
    return make_valid_images(monkeypatch)


def test_named_folder_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "gone/imagenette")
    said = stage_error_message()
    assert said.startswith("IMAGENETTE_DIR = gone/imagenette: no such folder")
    assert lists_three_ways(said)


@pytest.mark.parametrize("part", SPLIT_FOLDERS)
@pytest.mark.usefixtures("right")
def test_named_folder_without_train_or_val(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    Path("right", part).rename("elsewhere")
    monkeypatch.setenv("IMAGENETTE_DIR", "right")
    said = stage_error_message()
    assert said.startswith(f"IMAGENETTE_DIR = right: there is no {part}/ in it")
    assert lists_three_ways(said)


def test_other_images_are_refused_with_their_id(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in SPLIT_FOLDERS:
        write_unsorted_files(Path("mine") / part)
    monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    said = stage_error_message()
    assert said.startswith("IMAGENETTE_DIR = mine: its train/ is not that of Imagenette")
    assert tree_id(Path("mine/train")) in said
    assert imagenette.TREE_IDS["train"] in said
    assert lists_three_ways(said)
    assert not IMAGENETTE_FOLDER.parent.exists()


@pytest.mark.parametrize("where", ["named", "beside"])
def test_right_images_are_copied(right: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "named":
        monkeypatch.setenv("IMAGENETTE_DIR", str(right))
    else:
        monkeypatch.setattr(imagenette, "SHARED_FOLDER", right)
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()


@pytest.mark.parametrize("linked", [False, True])
def test_existing_correct_images_stay(right: Path, linked: bool) -> None:
    IMAGENETTE_FOLDER.parent.mkdir()
    if linked:
        IMAGENETTE_FOLDER.symlink_to(right.resolve())
    else:
        right.rename(IMAGENETTE_FOLDER)
    (IMAGENETTE_FOLDER / "train/.DS_Store").write_bytes(b"Finder was here")
    before = read_folder(IMAGENETTE_FOLDER), (IMAGENETTE_FOLDER / "train/own").stat().st_ino
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert (
        read_folder(IMAGENETTE_FOLDER),
        (IMAGENETTE_FOLDER / "train/own").stat().st_ino,
    ) == before
    assert IMAGENETTE_FOLDER.is_symlink() == linked


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.usefixtures("right")
def test_other_images_that_lie_there_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "right")  # they would be at hand
    mine = Path("mine").absolute() if linked else IMAGENETTE_FOLDER
    write_unsorted_files(mine / "train")
    if linked:
        IMAGENETTE_FOLDER.parent.mkdir()
        IMAGENETTE_FOLDER.symlink_to(mine)
    before = read_folder(IMAGENETTE_FOLDER)
    said = stage_error_message()
    assert said.startswith(f"{IMAGENETTE_FOLDER}: its train/ is not that of Imagenette")
    assert "move it, for example to data/mine, and set data.raw in params.yaml to that" in said
    assert "move or delete it and run again" in said
    assert read_folder(IMAGENETTE_FOLDER) == before


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_what_is_no_folder_is_left_alone(kind: str) -> None:
    IMAGENETTE_FOLDER.parent.mkdir()
    IMAGENETTE_FOLDER.touch() if kind == "file" else IMAGENETTE_FOLDER.symlink_to("gone")
    assert stage_error_message().startswith(
        f"{IMAGENETTE_FOLDER}: it is no folder; it is left as it is"
    )
    assert IMAGENETTE_FOLDER.is_file() or IMAGENETTE_FOLDER.is_symlink()


def test_an_empty_folder_is_filled_and_leftovers_of_a_killed_run_removed(
    right: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", str(right))
    IMAGENETTE_FOLDER.mkdir(parents=True)
    write_unsorted_files(IMAGENETTE_FOLDER.with_name(f".part-{IMAGENETTE_FOLDER.name}") / "train")
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()
