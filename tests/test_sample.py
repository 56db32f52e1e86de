"""sample: the same bytes wherever it is drawn, and never over somebody else's pictures."""

import os
from pathlib import Path

import pytest
from clones import clone, refusal
from stand_in import content, write_files

from stages.sample import draw
from tench.core import parallel
from tench.core.errors import TenchError
from tench.core.files import whole_folder
from tench.drawing import dataset
from tench.sources.folders import MARK

OUT = Path("data/sample")


@pytest.fixture(autouse=True)
def _few_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory, and a sample of four pictures."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dataset, "CLASSES", dict(list(dataset.CLASSES.items())[:2]))
    monkeypatch.setattr(dataset, "COUNTS", {"train": 1, "val": 1})


def redraw_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw as another version of the code would."""
    monkeypatch.setattr(dataset, "COUNTS", {"train": 2, "val": 1})
    draw(OUT)


def is_refused(monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the stage refuses what lies there and leaves it as it is."""
    before = content(OUT)
    with pytest.raises(TenchError) as caught:
        redraw_otherwise(monkeypatch)
    said = str(caught.value)
    return (
        said.startswith(f"{OUT}: this is not the sample as it was drawn; it is left as it is")
        and "move it, for example to data/mine, and set data.raw" in said
        and "For the sample, move or delete it and run again" in said
        and content(OUT) == before
    )


def test_two_draws_are_equal_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 1)
    draw(OUT)
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    draw(Path("other"))
    assert content(OUT) == content(Path("other"))
    assert len(content(OUT)) == 4 + 1
    assert {path.name for path in OUT.iterdir()} == {"train", "val", MARK}
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_no_more_processes_than_this_one_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def everybodys() -> int:
        raise AssertionError("in a container, the machine's cores are not ours")

    monkeypatch.setattr(parallel, "cores", lambda: 1)
    monkeypatch.setattr(os, "cpu_count", everybodys)
    draw(OUT)


def test_own_sample_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    draw(OUT)
    (OUT / ".DS_Store").write_bytes(b"Finder was here")
    redraw_otherwise(monkeypatch)
    assert len(content(OUT)) == 6 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]
    draw(OUT)
    assert len(content(OUT)) == 6 + 1


def test_pictures_of_somebody_else_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(OUT / "train")
    assert is_refused(monkeypatch)


@pytest.mark.parametrize("change", ["new", "gone", "other", "beside", "link", "mark"])
def test_changed_sample_is_left_alone(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    draw(OUT)
    picture = next((OUT / "train").rglob("*.jpg"))
    match change:
        case "new":
            (picture.parent / "mine.jpg").write_bytes(b"mine")
        case "gone":
            picture.unlink()
        case "other":
            picture.write_bytes(b"mine")
        case "beside":
            (OUT / "notes.txt").write_text("mine")
        case "link":
            (OUT / "test").symlink_to(Path.cwd())
        case "mark":
            (OUT / MARK).write_bytes(b"\xff")
    assert is_refused(monkeypatch)


@pytest.mark.parametrize("to", ["a drawn sample", "nothing"])
def test_link_is_left_alone(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    OUT.parent.mkdir()
    OUT.symlink_to(Path("elsewhere").absolute())
    if to == "a drawn sample":
        draw(Path("elsewhere"))
    assert is_refused(monkeypatch)
    assert OUT.is_symlink()


def stop_halfway() -> None:
    """Begin a new sample, as a run that is stopped does."""
    with whole_folder(OUT) as part:
        write_files(part)
        raise KeyboardInterrupt


def test_stopped_run_keeps_the_old_sample() -> None:
    draw(OUT)
    before = content(OUT)
    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert content(OUT) == before
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


def test_what_a_killed_run_left_is_swept_and_an_empty_folder_filled() -> None:
    OUT.mkdir(parents=True)
    for left in (".part-sample", ".part-old-sample"):
        write_files(OUT.with_name(left))
    draw(OUT)
    assert len(content(OUT)) == 4 + 1
    assert [path.name for path in OUT.parent.iterdir()] == [OUT.name]


@pytest.mark.faults
def test_dvc_never_deletes_pictures_that_lie_there(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone(folder)
    write_files(folder / OUT / "train/rose")
    before = content(folder / OUT)
    for command in (["repro"], ["repro", "--force"], ["exp", "run"]):
        said = refusal(folder, *command, "data/dvc.yaml:sample")
        assert f"error: {OUT}: this is not the sample as it was drawn" in said
        assert content(folder / OUT) == before
