"""Activations that several experiments share: made once, whole, and none taken from its user."""

import fcntl
import itertools
import os
import threading
import time
from pathlib import Path
from typing import IO

import pytest
from ruamel.yaml import YAML

from tench.core.errors import TenchError
from tench.embedding import sharing
from tench.embedding.sharing import kept, name_of

LOCKED = {
    "deps": [{"path": "data/prepared/pictures.csv", "md5": "a"}],
    "params": {
        "params.yaml": {"backbone": {"name": "MobileNetV2", "tap_at": 125}},
        "packages.yaml": {"keras": "3.15.1"},
    },
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder as the current one."""
    monkeypatch.chdir(tmp_path)


def fill(work: Path) -> Path:
    """Make a folder."""
    folder = work / "made"
    folder.mkdir(exist_ok=True)
    (folder / "rows").write_text("all of them")
    return folder


def fail(work: Path) -> Path:
    """Stop while a folder is made."""
    (work / "made").mkdir()
    raise KeyboardInterrupt


def folders(place: Path) -> set[str]:
    """The names of the folders in a folder."""
    return {one.name for one in place.iterdir() if one.is_dir()}


def test_a_folder_is_made_whole_and_once(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt), kept(place / "one", fail):
        raise AssertionError
    assert folders(place) == {".part-one"}  # to go on from
    (place / ".part-other").mkdir()  # of one that nobody asked for again
    for make in (fill, fail):
        with kept(place / "one", make) as folder:
            assert (folder / "rows").read_text() == "all of them"
    assert folders(place) == {"one"}


def test_two_that_need_it_at_a_time_make_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, both = [], threading.Barrier(2, timeout=20)
    flock, asked = fcntl.flock, itertools.count()

    def late(file: IO[str], how: int) -> None:  # the second asks when the first uses it
        if how & fcntl.LOCK_EX:
            time.sleep(0.3 * next(asked))
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)

    def slowly(work: Path) -> Path:
        made.append(work)
        return fill(work)

    def use() -> None:
        with kept(tmp_path / "kept/one", slowly):
            both.wait()  # neither keeps the other from using it

    users = [threading.Thread(target=use) for _ in range(2)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert len(made) == 1
    assert not both.broken


def test_those_used_longest_ago_go_but_none_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "KEPT", 2)
    place = tmp_path / "kept"
    with kept(place / "used", fill):
        os.utime(place / "used", (0, 0))
        for second, name in enumerate(("older", "old", "new")):
            with kept(place / name, fill) as folder:
                os.utime(folder, (second + 1, second + 1))
        assert folders(place) == {"used", "old", "new"}  # one too many
    with kept(place / "newest", fill):
        assert folders(place) == {"new", "newest"}


def test_the_name_follows_from_all_that_they_depend_on() -> None:
    def name(cut: int, **changed: object) -> str:
        YAML().dump({"stages": {"embed": LOCKED | changed}}, Path("dvc.lock"))
        return name_of(cut)

    other = {"params.yaml": {"backbone": {"name": "MobileNetV2", "tap_at": 100}}}
    tapped = {"params": LOCKED["params"] | other}
    assert name(116) == name(116, **tapped)
    newer = LOCKED["params"] | {"packages.yaml": {"keras": "3.16.0"}}
    deps = [{"path": "data/prepared/pictures.csv", "md5": "b"}]
    assert len({name(116), name(117), name(116, params=newer), name(116, deps=deps)}) == 4


@pytest.mark.parametrize("content", [None, "", "stages: {}", "stages: {embed: {deps: []}}"])
def test_without_a_run_of_embed_there_is_no_name(content: str | None) -> None:
    if content is not None:
        Path("dvc.lock").write_text(content)
    with pytest.raises(TenchError, match=r"dvc\.lock: nothing there of the stage embed"):
        name_of(116)
