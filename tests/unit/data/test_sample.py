"""Stage sample: the same bytes on any number of cores; the user's images are never overwritten."""

import os
from pathlib import Path

import pytest
from imagenette_stand_in import read_folder, write_unsorted_files

from stages.sample import draw_sample
from tench.core import parallel
from tench.core.errors import TenchError
from tench.core.files import atomic_folder
from tench.data.sample import dataset
from tench.data.sources.generated_folder import MARKER_FILE

OUT = Path("data/sample")


@pytest.fixture(autouse=True)
def _few_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory, and a sample of four images."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset, "CLASSES", dict(list(dataset.CLASSES.items())[:2]))
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"train": 1, "val": 1})


def draw_other_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a different sample, as another version of the code might."""
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"train": 2, "val": 1})
    draw_sample(OUT)


def is_refused(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the stage refuses to overwrite the folder and does not change it."""
    before = read_folder(OUT)
    with pytest.raises(TenchError) as caught:
        draw_other_sample(monkeypatch)
    message = str(caught.value)
    return (
        message.startswith(f"{OUT}: this is not the sample as it was drawn; nothing was changed")
        and "move them, for example to data/mine, and set data.raw" in message
        and "To get the sample, move or delete them and run again" in message
        and read_folder(OUT) == before
    )


def test_two_draws_are_equal_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "available_cores", lambda: 1)
    draw_sample(OUT)
    monkeypatch.setattr(parallel, "available_cores", lambda: 3)
    draw_sample(Path("other"))
    assert read_folder(OUT) == read_folder(Path("other"))
    assert len(read_folder(OUT)) == 4 + 1
    assert {path.name for path in OUT.iterdir()} == {"train", "val", MARKER_FILE}
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_no_more_processes_than_available_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_cores() -> int:
        raise AssertionError("a container may use only some of the machine's cores")

    monkeypatch.setattr(parallel, "available_cores", lambda: 1)
    monkeypatch.setattr(os, "cpu_count", all_cores)
    draw_sample(OUT)


def test_an_unchanged_sample_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_sample(OUT)
    (OUT / ".DS_Store").write_bytes(b"Finder was here")
    draw_other_sample(monkeypatch)
    assert len(read_folder(OUT)) == 6 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
    draw_sample(OUT)
    assert len(read_folder(OUT)) == 6 + 1


def test_the_users_images_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    write_unsorted_files(OUT / "train")
    assert is_refused(monkeypatch)


@pytest.mark.parametrize("change", ["new", "gone", "other", "beside", "link", "mark"])
def test_a_changed_sample_is_not_replaced(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    draw_sample(OUT)
    image = next((OUT / "train").rglob("*.jpg"))
    match change:
        case "new":
            (image.parent / "mine.jpg").write_bytes(b"mine")
        case "gone":
            image.unlink()
        case "other":
            image.write_bytes(b"mine")
        case "beside":
            (OUT / "notes.txt").write_text("mine")
        case "link":
            (OUT / "test").symlink_to(Path.cwd())
        case "mark":
            (OUT / MARKER_FILE).write_bytes(b"\xff")
    assert is_refused(monkeypatch)


@pytest.mark.parametrize("to", ["a drawn sample", "nothing"])
def test_a_link_is_not_replaced(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    OUT.parent.mkdir()
    OUT.symlink_to(Path("elsewhere").absolute())
    if to == "a drawn sample":
        draw_sample(Path("elsewhere"))
    assert is_refused(monkeypatch)
    assert OUT.is_symlink()


def draw_interrupted() -> None:
    """Start a new sample and interrupt it."""
    with atomic_folder(OUT) as part:
        write_unsorted_files(part)
        raise KeyboardInterrupt


def test_an_interrupted_run_keeps_the_old_sample() -> None:
    draw_sample(OUT)
    before = read_folder(OUT)
    with pytest.raises(KeyboardInterrupt):
        draw_interrupted()
    assert read_folder(OUT) == before
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_leftovers_of_a_killed_run_are_removed_and_an_empty_folder_is_filled() -> None:
    OUT.mkdir(parents=True)
    for leftover in (".part-sample", ".part-old-sample"):
        write_unsorted_files(OUT.with_name(leftover))
    draw_sample(OUT)
    assert len(read_folder(OUT)) == 4 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
