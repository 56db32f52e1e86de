"""A stopped `prepare` resumes after the finished packs, with the bytes of an uninterrupted run."""

import gc
import re
import shutil
from itertools import accumulate
from pathlib import Path

import pytest
from PIL import Image
from small_images import RAW_FOLDER, list_prepared_paths, write_small_images

from stages.prepare import prepare_dataset
from tench.core import parallel
from tench.core.errors import TenchError
from tench.core.params import Data
from tench.core.paths import PREPARED, PREPARED_INDEX
from tench.core.zip_packs import write_pack
from tench.data.decode.raw_image import RawImage, decode_raw
from tench.data.index import read_index
from tench.data.ingest.scan import SourceFile, scan_raw_folder
from tench.data.prepare import packing, prepare_images
from tench.data.prepare.packing import plan_packs

DATA = Data(
    raw=str(RAW_FOLDER),
    classes=None,
    image_size=32,
    resize="squash",
    val_fraction=0.2,
    test_fraction=0.2,
    max_rejected=0.5,
)


@pytest.fixture(autouse=True)
def _sixty_one_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare reads and writes below the current directory; a pack holds four images at most."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(packing, "MAX_PACK_SIZE", 4)
    for name in ("whole", "work"):
        Path(name).mkdir()
    for folder, train, val in (("a", 10, 10), ("b", 20, 21)):
        write_small_images(*(f"train/{folder}/t{n}.png" for n in range(train)))
        write_small_images(*(f"val/{folder}/v{n}.png" for n in range(val)))
    (RAW_FOLDER / "train/a/t2.png").write_text("no image")


def stop_at(pack: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare RAW until so many packs are written, and be stopped."""
    written = []

    def write(content: list[tuple[str, bytes]], file: Path) -> None:
        if len(written) == pack:
            raise KeyboardInterrupt
        written.append(file)
        write_pack(content, file)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012
        patch.setattr(prepare_images, "write_pack", write)
        prepare_dataset(DATA, work)
    assert re.fullmatch(r"prepare: \d+ of 61 images are finished", caught.value.__notes__[0])
    assert not PREPARED.exists()
    del caught
    gc.collect()  # end threads that would continue to read


def stop_after(images: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare RAW until so many images are prepared, then stop."""
    done: list[Path] = []

    def count(raw: RawImage) -> Image.Image:
        if len(done) == images:
            raise KeyboardInterrupt
        done.append(raw.file)
        return decode_raw(raw)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        patch.setattr(parallel, "available_cores", lambda: 1)
        patch.setattr(prepare_images, "decode_raw", count)
        prepare_dataset(DATA, work)


def read_by(work: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Prepare RAW to the end; return the raw files that were read."""
    read: list[Path] = []

    def counted(raw: RawImage) -> Image.Image:
        read.append(raw.file)
        return decode_raw(raw)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_images, "decode_raw", counted)
        prepare_dataset(DATA, work)
    return sorted(read)


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, by path."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_stopped_run_resumes_after_the_finished_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare_dataset(DATA, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    work = Path("work")
    stop_at(10, work, monkeypatch)
    packs = list(plan_packs(scan_raw_folder(RAW_FOLDER, {})))
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


def test_finished_work_stays_when_too_many_are_rejected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(TenchError, match=r"data\.max_rejected"):
        prepare_dataset(DATA.model_copy(update={"max_rejected": 0.01}), Path("work"))
    shutil.rmtree(PREPARED)  # as DVC does before a run
    assert read_by(Path("work"), monkeypatch) == []


@pytest.mark.parametrize("images", [1, 5, 13, 22, 40, 60])
def test_stopped_at_any_image_it_resumes_after_the_finished_packs(
    monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    prepare_dataset(DATA, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    work = Path("work")
    stop_after(images, work, monkeypatch)
    sizes = [len(pack.sources) for pack in plan_packs(scan_raw_folder(RAW_FOLDER, {}))]
    finished = max(total for total in accumulate(sizes, initial=0) if total <= images)
    assert len(read_by(work, monkeypatch)) == 61 - finished
    assert tree(PREPARED) == whole


def test_an_image_removed_since_a_stop_is_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Path("work")
    stop_at(15, work, monkeypatch)
    for file in ("train/a/t3.png", "val/b/v1.png"):
        (RAW_FOLDER / file).unlink()
    prepare_dataset(DATA, work)
    rows = read_index(PREPARED_INDEX)
    assert sorted(row.path for row in rows) == sorted(list_prepared_paths())
    assert len(rows) == 58


def test_an_image_more_changes_one_pack_or_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_PACK_SIZE", 1024)
    every = [SourceFile("", "a", Path(f"{n:05d}.jpg")) for n in range(20_000)]
    packs = [pack.sources for pack in plan_packs(every)]
    assert [source for pack in packs for source in pack] == every
    assert 50 < len(packs) < 150
    assert max(map(len, packs)) <= 1024
    for added in range(0, 20_000, 1_001):
        new = SourceFile("", "a", Path(f"{added:05d}x.jpg"))
        now = [pack.sources for pack in plan_packs([*every[:added], new, *every[added:]])]
        assert 1 <= sum(pack not in packs for pack in now) <= 3
