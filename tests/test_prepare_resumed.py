"""prepare, stopped at any picture: it goes on there, and ends as if it had not been."""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from small_pictures import RAW, draw

from stages.prepare import prepare
from tench.core import parallel
from tench.core.params import Data
from tench.core.paths import PREPARED
from tench.intake import preparing
from tench.pictures.reading import read_picture

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
    """prepare reads and writes below the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("whole", "work"):
        Path(name).mkdir()
    for folder, train, val in (("a", 10, 10), ("b", 20, 21)):
        draw(*(f"train/{folder}/t{n}.png" for n in range(train)))
        draw(*(f"val/{folder}/v{n}.png" for n in range(val)))
    (RAW / "train/a/t2.png").write_text("no picture")


def stop_after(count: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepare RAW until so many pictures are done, and be stopped."""

    def items(some: Iterator[Any], label: str, total: int) -> Iterator[Any]:
        yield from islice(some, count)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as caught:  # noqa: PT012
        patch.setattr(preparing, "progress", items)
        patch.setattr(parallel, "AHEAD", 1)
        prepare(DATA, 42, work)
    assert caught.value.__notes__ == [f"prepare: {count} of 61 pictures are kept"]
    assert not PREPARED.exists()


def tree(folder: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder, by path."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_stopped_run_goes_on_at_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    prepare(DATA, 42, Path("whole"))
    whole = tree(PREPARED)
    shutil.rmtree(PREPARED)
    work = Path("work")
    stop_after(40, work, monkeypatch)
    before = sorted(work.glob("pictures/*/*/*.webp"))
    assert len(before) == 39
    before[7].unlink()
    before[8].write_bytes(before[9].read_bytes())
    content = (RAW / "train/a/t0.png").read_bytes()
    (RAW / "train/a/t0.png").write_bytes(content)  # a new time of change

    def counted(raw: Path) -> Image.Image:
        read.append(raw.name)
        return read_picture(raw)

    monkeypatch.setattr(preparing, "read_picture", counted)
    prepare(DATA, 42, work)
    assert len(read) == 21 + 3
    assert "t2.png" not in read
    assert tree(PREPARED) == whole


def test_a_picture_removed_since_a_stop_is_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Path("work")
    stop_after(61, work, monkeypatch)
    for file in ("train/a/t3.png", "val/b/v1.png"):
        (RAW / file).unlink()
    rows, _ = prepare(DATA, 42, work)
    on_disk = {path for path in tree(PREPARED) if path.endswith(".webp")}
    assert on_disk == {row.path for row in rows}
    assert len(rows) == 58
