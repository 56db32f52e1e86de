"""prepare, stopped at any picture: it goes on there, and ends as if it had not been."""

import gc
import re
import shutil
from pathlib import Path

import pytest
from damage import flip
from PIL import Image
from small_pictures import RAW, draw, packed

from stages.prepare import prepare
from tench.core import parallel
from tench.core.errors import TenchError
from tench.core.packs import write_pack
from tench.core.params import Data
from tench.core.paths import PICTURES, PREPARED
from tench.intake import begun, packing, preparing
from tench.intake.packing import packs_of
from tench.intake.scan import Source, scan
from tench.pictures.index import read_index
from tench.pictures.raw import Raw, read_raw

DATA = Data(
    raw=str(RAW),
    classes=None,
    image_size=32,
    resize="squash",
    val_fraction=0.2,
    test_fraction=0.2,
    max_rejected=0.5,
)


@pytest.fixture(autouse=True)
def _sixty_one_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare reads and writes below the current directory; a pack holds four pictures at most."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packing, "LARGEST", 4)
    for name in ("whole", "work"):
        Path(name).mkdir()
    for folder, train, val in (("a", 10, 10), ("b", 20, 21)):
        draw(*(f"train/{folder}/t{n}.png" for n in range(train)))
        draw(*(f"val/{folder}/v{n}.png" for n in range(val)))
    (RAW / "train/a/t2.png").write_text("no picture")


def stop_at(pack: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare RAW until so many packs are written, and be stopped."""
    written = []

    def write(content: list[tuple[str, bytes]], file: Path) -> None:
        if len(written) == pack:
            raise KeyboardInterrupt
        written.append(file)
        write_pack(content, file)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012
        patch.setattr(preparing, "write_pack", write)
        prepare(DATA, work)
    assert re.fullmatch(r"prepare: \d+ of 61 pictures are kept", caught.value.__notes__[0])
    assert not PREPARED.exists()
    del caught
    gc.collect()  # what holds threads that would go on reading


def stop_after(pictures: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare RAW, every picture of it kept at once, until so many are made, and be stopped."""
    made: list[Path] = []

    def one_by_one(raw: Raw) -> Image.Image:
        if len(made) == pictures:
            raise KeyboardInterrupt
        made.append(raw.file)
        return read_raw(raw)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012
        patch.setattr(begun, "EVERY", 0)
        patch.setattr(parallel, "cores", lambda: 1)
        patch.setattr(preparing, "read_raw", one_by_one)
        prepare(DATA, work)
    assert caught.value.__notes__ == [f"prepare: {pictures} of 61 pictures are kept"]


def read_by(work: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Prepare RAW to the end; return the raw files that were read."""
    read: list[Path] = []

    def counted(raw: Raw) -> Image.Image:
        read.append(raw.file)
        return read_raw(raw)

    with monkeypatch.context() as patch:
        patch.setattr(preparing, "read_raw", counted)
        prepare(DATA, work)
    return sorted(read)


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, by path."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_stopped_run_goes_on_at_the_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(DATA, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    work = Path("work")
    stop_at(10, work, monkeypatch)
    packs = list(packs_of(scan(RAW, {})))
    before = [work / "prepared" / pack.path for pack in packs[:10]]
    before[7].unlink()
    before[8].write_bytes(before[9].read_bytes())
    touched = packs[0].sources[1].file
    touched.write_bytes(touched.read_bytes())  # a new time of change
    read = read_by(work, monkeypatch)
    left = [packs[place] for place in (0, 7, 8, *range(10, len(packs)))]
    assert read == sorted(source.file for pack in left for source in pack.sources)
    assert len(read) < 40
    assert tree(PREPARED) == whole


def test_work_finished_before_too_many_were_rejected_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(TenchError, match=r"data\.max_rejected"):
        prepare(DATA.model_copy(update={"max_rejected": 0.01}), Path("work"))
    shutil.rmtree(PREPARED)  # as DVC does before a run
    assert read_by(Path("work"), monkeypatch) == []


@pytest.mark.parametrize("pictures", [1, 5, 13, 22, 40, 60])
def test_a_stopped_run_goes_on_at_the_picture(
    monkeypatch: pytest.MonkeyPatch, pictures: int
) -> None:
    prepare(DATA, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    work = Path("work")
    stop_after(pictures, work, monkeypatch)
    assert len(read_by(work, monkeypatch)) == 61 - pictures
    assert tree(PREPARED) == whole


def test_pictures_of_a_pack_that_changed_since_are_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(DATA, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    first = next(packs_of(scan(RAW, {})))
    touched, work = first.sources[-1].file, Path("work")
    stop_after(len(first.sources) - 1, work, monkeypatch)
    touched.write_bytes(touched.read_bytes())  # a new time of change
    assert len(read_by(work, monkeypatch)) == 61
    shutil.rmtree(PREPARED)
    Path("again").mkdir()
    stop_after(2, Path("again"), monkeypatch)
    flip(Path("again/pictures.journal"), -9)  # in the line of the second
    assert len(read_by(Path("again"), monkeypatch)) == 60
    assert tree(PREPARED) == whole


def test_a_picture_removed_since_a_stop_is_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Path("work")
    stop_at(15, work, monkeypatch)
    for file in ("train/a/t3.png", "val/b/v1.png"):
        (RAW / file).unlink()
    prepare(DATA, work)
    rows = read_index(PICTURES)
    assert sorted(row.path for row in rows) == sorted(packed())
    assert len(rows) == 58


def test_a_picture_more_changes_one_pack_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGEST", 1024)
    every = [Source("", "a", Path(f"{n:05d}.jpg")) for n in range(20_000)]
    packs = [pack.sources for pack in packs_of(every)]
    assert [source for pack in packs for source in pack] == every
    assert 50 < len(packs) < 150
    assert max(map(len, packs)) <= 1024
    for added in range(0, 20_000, 1_001):
        new = Source("", "a", Path(f"{added:05d}x.jpg"))
        now = [pack.sources for pack in packs_of([*every[:added], new, *every[added:]])]
        assert 1 <= sum(pack not in packs for pack in now) <= 3
