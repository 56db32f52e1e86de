"""Stage imagenette: images from a local folder; existing files are never deleted."""

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
def valid(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is accepted as Imagenette."""
    return make_valid_images(monkeypatch)


def test_imagenette_dir_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "gone/imagenette")
    message = stage_error_message()
    assert message.startswith("IMAGENETTE_DIR = gone/imagenette: no such folder")
    assert lists_three_ways(message)


@pytest.mark.parametrize("part", SPLIT_FOLDERS)
@pytest.mark.usefixtures("valid")
def test_imagenette_dir_without_train_or_val(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    Path("valid", part).rename("elsewhere")
    monkeypatch.setenv("IMAGENETTE_DIR", "valid")
    message = stage_error_message()
    assert message.startswith(f"IMAGENETTE_DIR = valid: it has no {part}/")
    assert lists_three_ways(message)


def test_other_images_are_refused_with_their_tree_id(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in SPLIT_FOLDERS:
        write_unsorted_files(Path("mine") / part)
    monkeypatch.setenv("IMAGENETTE_DIR", "mine")
    message = stage_error_message()
    assert message.startswith("IMAGENETTE_DIR = mine: its train/ is not that of Imagenette")
    assert tree_id(Path("mine/train")) in message
    assert imagenette.TREE_IDS["train"] in message
    assert lists_three_ways(message)
    assert not IMAGENETTE_FOLDER.parent.exists()


@pytest.mark.parametrize("where", ["variable", "shared"])
def test_valid_images_are_copied(valid: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    if where == "variable":
        monkeypatch.setenv("IMAGENETTE_DIR", str(valid))
    else:
        monkeypatch.setattr(imagenette, "SHARED_FOLDER", valid)
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()


@pytest.mark.parametrize("linked", [False, True])
def test_existing_valid_images_are_kept(valid: Path, linked: bool) -> None:
    IMAGENETTE_FOLDER.parent.mkdir()
    if linked:
        IMAGENETTE_FOLDER.symlink_to(valid.resolve())
    else:
        valid.rename(IMAGENETTE_FOLDER)
    (IMAGENETTE_FOLDER / "train/.DS_Store").write_bytes(b"Finder was here")
    before = read_folder(IMAGENETTE_FOLDER), (IMAGENETTE_FOLDER / "train/own").stat().st_ino
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert (
        read_folder(IMAGENETTE_FOLDER),
        (IMAGENETTE_FOLDER / "train/own").stat().st_ino,
    ) == before
    assert IMAGENETTE_FOLDER.is_symlink() == linked


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.usefixtures("valid")
def test_existing_other_images_are_not_changed(
    monkeypatch: pytest.MonkeyPatch, linked: bool
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", "valid")  # available, but must not be copied
    mine = Path("mine").absolute() if linked else IMAGENETTE_FOLDER
    write_unsorted_files(mine / "train")
    if linked:
        IMAGENETTE_FOLDER.parent.mkdir()
        IMAGENETTE_FOLDER.symlink_to(mine)
    before = read_folder(IMAGENETTE_FOLDER)
    message = stage_error_message()
    assert message.startswith(f"{IMAGENETTE_FOLDER}: its train/ is not that of Imagenette")
    assert "move them, for example to data/mine, and set data.raw in params.yaml" in message
    assert "move or delete them and run again" in message
    assert read_folder(IMAGENETTE_FOLDER) == before


@pytest.mark.parametrize("kind", ["file", "broken link"])
def test_a_file_or_broken_link_is_not_changed(kind: str) -> None:
    IMAGENETTE_FOLDER.parent.mkdir()
    IMAGENETTE_FOLDER.touch() if kind == "file" else IMAGENETTE_FOLDER.symlink_to("gone")
    assert stage_error_message().startswith(
        f"{IMAGENETTE_FOLDER}: it is not a folder; nothing was changed"
    )
    assert IMAGENETTE_FOLDER.is_file() or IMAGENETTE_FOLDER.is_symlink()


def test_an_empty_folder_is_filled_and_leftovers_of_a_killed_run_are_removed(
    valid: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGENETTE_DIR", str(valid))
    IMAGENETTE_FOLDER.mkdir(parents=True)
    write_unsorted_files(IMAGENETTE_FOLDER.with_name(f".part-{IMAGENETTE_FOLDER.name}") / "train")
    imagenette.obtain_imagenette(IMAGENETTE_FOLDER)
    assert is_imagenette_complete()
