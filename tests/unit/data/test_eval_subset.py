"""The evaluation subset: all test images, and some of the others, in packs of their own."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from feature_shards import make_row
from file_damage import flip_bit, overwrite_file
from PIL import Image
from small_images import write_prepared_image

from tench.core.errors import TenchError
from tench.core.names import MAX_FINDINGS, MAX_LABEL_FINDINGS
from tench.core.paths import AUDIT_IMAGES, EVAL_SUBSET, PREPARED
from tench.core.zip_packs import read_from_pack, write_pack
from tench.data.audit.duplicates import DuplicatePair
from tench.data.audit.findings import worst_findings, write_audit_images
from tench.data.audit.image_quality import ImageIssue
from tench.data.audit.label_errors import LabelSuspect
from tench.data.decode.resize import pixel_digest, to_webp
from tench.data.index import Row
from tench.data.split import eval_subset as choice
from tench.data.split.eval_subset import evenly_spaced_rows, select_eval_subset, write_eval_subset
from tench.data.store.prepared_images import read_eval_image, read_prepared

SIZES = {
    **{"CHECK_IMAGES": 3, "THRESHOLD_IMAGES": 5},
    **{"REFERENCE_IMAGES": 4, "CALIBRATION_IMAGES": 2},
}


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shade(number: int) -> Image.Image:
    """An image unlike those of other numbers."""
    return Image.new("RGB", (8, 8), (number, 7, 9))


def prepared(splits: Sequence[str], a_pack: int) -> list[Row]:
    """Rows of these splits, in this order of places, their images in packs of so many, every
    other one in a folder there."""
    names = [f"{'deep/' * (n % 2)}{n}.webp" for n in range(len(splits))]
    rows = []
    for start in range(0, len(splits), a_pack):
        pack = f"val/fish/{start // a_pack:03d}.zip"
        places = range(start, min(start + a_pack, len(splits)))
        write_pack([(names[n], to_webp(shade(n))) for n in places], PREPARED / pack)
        rows += [
            make_row(n, splits[n], pixel_digest(shade(n)))._replace(path=f"{pack}/{names[n]}")
            for n in places
        ]
    return sorted(rows, key=lambda one: ("train", "val", "test").index(one.split))


def test_all_of_test_and_some_of_the_others_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, count in SIZES.items():
        monkeypatch.setattr(choice, name, count)
    rows = [make_row(n, ("test", "train", "val")[n % 3]) for n in range(90)]
    by = {split: [one for one in rows if one.split == split] for split in ("train", "val", "test")}
    found = select_eval_subset([*by["train"], *by["val"], *by["test"]])
    assert [one.feature_row for one in found] == sorted(one.feature_row for one in found)
    assert {one for one in found if one.split == "test"} == set(by["test"])
    for split, counts in {"train": (4, 2), "val": (3, 5)}.items():
        wanted = {one for count in counts for one in evenly_spaced_rows(by[split], count)}
        assert {one for one in found if one.split == split} == wanted
    few = rows[:4]
    assert select_eval_subset(few) == few


def test_they_lie_in_packs_of_the_same_bytes_where_none_is_left_out() -> None:
    rows = prepared(["val", "test", "val", "test", "train", "test"], 2)
    some_of_all = sorted(
        (one for one in rows if one.split != "train"), key=lambda one: one.feature_row
    )
    write_eval_subset(some_of_all, EVAL_SUBSET)
    packs = [f"val/fish/{n:03d}.zip" for n in range(3)]
    same = [(EVAL_SUBSET / pack).read_bytes() == (PREPARED / pack).read_bytes() for pack in packs]
    assert same == [True, True, False]
    for one in some_of_all:
        assert (read_eval_image(one) == read_prepared(one)).all()
    left_out = next(one for one in rows if one.split == "train")
    with pytest.raises(TenchError, match=r"data/eval_subset/.*4\.webp: damaged"):
        read_eval_image(left_out)


def test_a_damaged_image_is_not_copied() -> None:
    rows = prepared(["test"] * 3, 3)
    file = PREPARED / "val/fish/000.zip"
    content = file.read_bytes()
    overwrite_file(
        file, flip_bit(content, 8 * (content.index(read_from_pack(PREPARED / rows[1].path)) + 9))
    )
    with pytest.raises(TenchError, match=r"^data/prepared/val/fish/000\.zip/deep/1\.webp: damaged"):
        write_eval_subset(rows, EVAL_SUBSET)
    file.unlink()
    with pytest.raises(TenchError, match=r"0\.webp: missing: run `dvc repro`"):
        write_eval_subset(rows, EVAL_SUBSET)


def test_the_worst_findings_of_every_kind_have_their_images() -> None:
    rows = [make_row(n) for n in range(200)]
    pairs = [
        DuplicatePair(rows[start + 2 * n], rows[start + 2 * n + 1], kind, 0.99)
        for start, kind in ((0, "near"), (100, "similar"))
        for n in range(MAX_FINDINGS + 1)
    ]
    doubts = [LabelSuspect(rows[50 + n], "fish", 0.1, 0.9) for n in range(MAX_LABEL_FINDINGS + 1)]
    issues = [ImageIssue(rows[150 + n], "dark", 0.1) for n in range(MAX_FINDINGS + 1)]
    found = worst_findings(pairs, doubts, issues)
    wanted = [
        *range(2 * MAX_FINDINGS),
        *range(50, 50 + MAX_LABEL_FINDINGS),
        *range(100, 100 + 2 * MAX_FINDINGS),
        *range(150, 150 + MAX_FINDINGS),
    ]
    assert [one.feature_row for one in found] == wanted

    of_pack = rows[3]._replace(path="train/c0/000.zip/3.webp")
    write_prepared_image(shade(3), PREPARED / of_pack.path)
    write_audit_images([of_pack])
    assert read_from_pack(AUDIT_IMAGES / of_pack.path) == to_webp(shade(3))
