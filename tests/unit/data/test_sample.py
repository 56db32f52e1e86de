"""sample: the same bytes wherever it is drawn, and never over somebody else's images."""

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


def redraw_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw as another version of the code would."""
    monkeypatch.setattr(dataset, "IMAGES_PER_CLASS", {"train": 2, "val": 1})
    draw_sample(OUT)


def is_refused(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the stage refuses what lies there and leaves it as it is."""
    before = read_folder(OUT)
    with pytest.raises(TenchError) as caught:
        redraw_otherwise(monkeypatch)
    said = str(caught.value)
    return (
        said.startswith(f"{OUT}: this is not the sample as it was drawn; it is left as it is")
        and "move it, for example to data/mine, and set data.raw" in said
        and "For the sample, move or delete it and run again" in said
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


def test_no_more_processes_than_this_one_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def everybodys() -> int:
        raise AssertionError("in a container, the machine's cores are not ours")

    monkeypatch.setattr(parallel, "available_cores", lambda: 1)
    monkeypatch.setattr(os, "cpu_count", everybodys)
    draw_sample(OUT)


def test_own_sample_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    draw_sample(OUT)
    (OUT / ".DS_Store").write_bytes(b"Finder was here")
    redraw_otherwise(monkeypatch)
    assert len(read_folder(OUT)) == 6 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
    draw_sample(OUT)
    assert len(read_folder(OUT)) == 6 + 1


def test_images_of_somebody_else_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    write_unsorted_files(OUT / "train")
    assert is_refused(monkeypatch)


@pytest.mark.parametrize("change", ["new", "gone", "other", "beside", "link", "mark"])
def test_changed_sample_is_left_alone(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
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
def test_link_is_left_alone(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    OUT.parent.mkdir()
    OUT.symlink_to(Path("elsewhere").absolute())
    if to == "a drawn sample":
        draw_sample(Path("elsewhere"))
    assert is_refused(monkeypatch)
    assert OUT.is_symlink()


def stop_halfway() -> None:
    """Begin a new sample, as a run that is stopped does."""
    with atomic_folder(OUT) as part:
        write_unsorted_files(part)
        raise KeyboardInterrupt


def test_stopped_run_keeps_the_old_sample() -> None:
    draw_sample(OUT)
    before = read_folder(OUT)
    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert read_folder(OUT) == before
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_leftovers_of_a_killed_run_are_removed_and_an_empty_folder_filled() -> None:
    OUT.mkdir(parents=True)
    for left in (".part-sample", ".part-old-sample"):
        write_unsorted_files(OUT.with_name(left))
    draw_sample(OUT)
    assert len(read_folder(OUT)) == 4 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
