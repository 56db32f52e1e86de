"""The pictures that models are asked about, apart from the others; and those the audit found."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from damage import flipped, put
from features import row
from PIL import Image
from small_pictures import put_prepared

from tench.audit.duplicates import Pair
from tench.audit.labels import Suspect
from tench.audit.lists import worst, write_found
from tench.audit.quality import Issue
from tench.core.errors import TenchError
from tench.core.names import LABELS_LISTED, LISTED
from tench.core.packs import read_packed, write_pack
from tench.core.paths import ASKED, FOUND, PREPARED
from tench.pictures import asked as choice
from tench.pictures.asked import asked, some, write_asked
from tench.pictures.checked import read_asked, read_checked
from tench.pictures.index import Row
from tench.pictures.prepared import pixel_digest, to_webp


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shade(number: int) -> Image.Image:
    """A picture unlike those of other numbers."""
    return Image.new("RGB", (8, 8), (number, 7, 9))


def prepared(splits: Sequence[str], a_pack: int) -> list[Row]:
    """Rows of these splits, in this order of places, their pictures in packs of so many, every
    other one in a folder there."""
    names = [f"{'deep/' * (n % 2)}{n}.webp" for n in range(len(splits))]
    rows = []
    for start in range(0, len(splits), a_pack):
        pack = f"val/fish/{start // a_pack:03d}.zip"
        places = range(start, min(start + a_pack, len(splits)))
        write_pack([(names[n], to_webp(shade(n))) for n in places], PREPARED / pack)
        rows += [
            row(n, splits[n], pixel_digest(shade(n)))._replace(path=f"{pack}/{names[n]}")
            for n in places
        ]
    return sorted(rows, key=lambda one: ("train", "val", "test").index(one.split))


def test_all_of_test_and_some_of_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in {"CHECKED": 3, "DOUBTED": 5, "KNOWN": 4, "CALIBRATED": 2}.items():
        monkeypatch.setattr(choice, name, count)
    rows = [row(n, ("test", "train", "val")[n % 3]) for n in range(90)]
    by = {split: [one for one in rows if one.split == split] for split in ("train", "val", "test")}
    found = asked([*by["train"], *by["val"], *by["test"]])
    assert [one.place for one in found] == sorted(one.place for one in found)
    assert {one for one in found if one.split == "test"} == set(by["test"])
    for split, counts in {"train": (4, 2), "val": (3, 5)}.items():
        wanted = {one for count in counts for one in some(by[split], count)}
        assert {one for one in found if one.split == split} == wanted
    few = rows[:4]
    assert asked(few) == few


def test_they_lie_in_packs_of_the_same_bytes_where_none_is_left_out() -> None:
    rows = prepared(["val", "test", "val", "test", "train", "test"], 2)
    some_of_all = sorted((one for one in rows if one.split != "train"), key=lambda one: one.place)
    write_asked(some_of_all, ASKED)
    packs = [f"val/fish/{n:03d}.zip" for n in range(3)]
    same = [(ASKED / pack).read_bytes() == (PREPARED / pack).read_bytes() for pack in packs]
    assert same == [True, True, False]
    for one in some_of_all:
        assert (read_asked(one) == read_checked(one)).all()
    left_out = next(one for one in rows if one.split == "train")
    with pytest.raises(TenchError, match=r"data/asked/.*4\.webp: damaged"):
        read_asked(left_out)


def test_a_damaged_picture_is_not_copied() -> None:
    rows = prepared(["test"] * 3, 3)
    file = PREPARED / "val/fish/000.zip"
    content = file.read_bytes()
    put(file, flipped(content, 8 * (content.index(read_packed(PREPARED / rows[1].path)) + 9)))
    with pytest.raises(TenchError, match=r"^data/prepared/val/fish/000\.zip/deep/1\.webp: damaged"):
        write_asked(rows, ASKED)
    file.unlink()
    with pytest.raises(TenchError, match=r"0\.webp: missing: run `dvc repro`"):
        write_asked(rows, ASKED)


def test_the_worst_findings_of_every_kind_are_kept_with_their_pictures() -> None:
    rows = [row(n) for n in range(200)]
    pairs = [
        Pair(rows[start + 2 * n], rows[start + 2 * n + 1], kind, 0.99)
        for start, kind in ((0, "near"), (100, "similar"))
        for n in range(LISTED + 1)
    ]
    doubts = [Suspect(rows[50 + n], "fish", 0.1, 0.9) for n in range(LABELS_LISTED + 1)]
    issues = [Issue(rows[150 + n], "dark", 0.1) for n in range(LISTED + 1)]
    found = worst(pairs, doubts, issues)
    wanted = [
        *range(2 * LISTED),
        *range(50, 50 + LABELS_LISTED),
        *range(100, 100 + 2 * LISTED),
        *range(150, 150 + LISTED),
    ]
    assert [one.place for one in found] == wanted

    of_pack = rows[3]._replace(path="train/c0/000.zip/3.webp")
    put_prepared(shade(3), PREPARED / of_pack.path)
    write_found([of_pack])
    assert read_packed(FOUND / of_pack.path) == to_webp(shade(3))
