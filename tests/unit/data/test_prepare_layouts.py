"""prepare on every layout and with groups: what the index then holds, and under which names."""

import csv
import hashlib
import re
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_images import RAW_FOLDER, list_prepared_paths, prepare_and_split, write_small_images

from tench.core.errors import TenchError
from tench.core.params import Data
from tench.core.paths import INDEX, PREPARED
from tench.data.decode.resize import resize
from tench.data.index import Row, read_index
from tench.data.store.prepared_images import read_prepared

DATA = Data(
    raw=str(RAW_FOLDER),
    image_size=32,
    resize="squash",
    val_fraction=0.2,
    test_fraction=0.2,
    max_rejected=0.01,
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """prepare reads and writes below the current directory."""
    monkeypatch.chdir(tmp_path)


def draw_classes(folder: str, count: int, classes: str = "ab") -> None:
    """Write class folders below a folder of RAW."""
    write_small_images(*(f"{folder}/{name}/{n}.png" for name in classes for n in range(count)))


def prepared(**changes: object) -> list[Row]:
    """The index that prepare writes, after checks that apply to every index."""
    shutil.rmtree(PREPARED, ignore_errors=True)  # as DVC does
    rows = prepare_and_split(DATA.model_copy(update=changes))
    assert sorted(row.path for row in rows) == sorted(list_prepared_paths())
    assert sorted(row.feature_row for row in rows) == list(range(len(rows)))
    for row in rows:
        assert row.path.split("/")[1] == row.class_name
        with Image.open(RAW_FOLDER / row.source) as image:
            size, how = (changes.get(key, getattr(DATA, key)) for key in ("image_size", "resize"))
            wanted = np.asarray(resize(image, size, how))  # type: ignore[arg-type]
        assert np.array_equal(read_prepared(row), wanted)
    return rows


def counts(rows: list[Row]) -> Counter[tuple[str, str]]:
    """Images by the first folder of their source and their side."""
    return Counter((row.source.split("/")[0], row.split) for row in rows)


def test_train_and_val_give_the_index_that_they_always_gave() -> None:
    write_small_images(
        *(f"train/{name}/t{n}.png" for name, k in (("a", 12), ("b", 9)) for n in range(k))
    )
    write_small_images(
        *(f"val/{name}/v{n}.png" for name, k in (("a", 30), ("b", 17)) for n in range(k))
    )
    write_small_images(
        *(
            f"{side}/C d/{side[0]}{n}.png"
            for side, k in (("train", 5), ("val", 11))
            for n in range(k)
        )
    )
    write_small_images("train/a/deep/x.png", "val/b/deep/er/x.png", "val/a/n01440764_1.JPEG")
    shutil.copy(RAW_FOLDER / "val/a/v3.png", RAW_FOLDER / "val/b/copy.png")
    prepared(classes={"a": "zander"}, test_fraction=0.25)
    with INDEX.open(newline="", encoding="utf-8") as lines:
        header, *table = csv.reader(lines)
    assert header[-2:] == ["feature_row", "group"]
    for row in table:  # each image once had a separate file, in its split
        row[0] = re.sub(r".+/(.+)/\d+\.zip/", rf"{row[1]}/\1/", row[0])
    text = "".join(",".join(row[:-2]) + "\n" for row in [header, *table])
    # digest of the index from before there were other layouts, but with `seen` by folder and name
    before = "ca04f797257438f6bb2c59f10a72714eec591624791725f6d26642488753a502"
    assert hashlib.sha256(text.encode()).hexdigest() == before


def test_test_folder_is_the_test_set() -> None:
    for side in ("Train", "valid", "testing"):
        draw_classes(side, 10)
    rows = prepared()
    assert counts(rows) == {("Train", "train"): 20, ("valid", "val"): 20, ("testing", "test"): 20}


def test_val_is_a_share_of_train_without_a_folder() -> None:
    draw_classes("train", 10)
    draw_classes("test", 5)
    assert counts(prepared(val_fraction=0.3)) == {
        ("train", "train"): 14,
        ("train", "val"): 6,
        ("test", "test"): 10,
    }


def test_class_folders_alone() -> None:
    draw_classes(".", 10)
    rows = prepared(test_fraction=0.3, classes={"a": "zander"})
    assert Counter((row.class_name, row.split) for row in rows) == {
        (name, split): count
        for name in ("b", "zander")
        for split, count in (("train", 5), ("val", 2), ("test", 3))
    }


def test_csv_file_with_equal_names_and_no_split() -> None:
    write_small_images(*(f"p{n}/1.png" for n in range(20)), "p0/unused.png")
    lines = [f"p{n}/1.png,{'ab'[n % 2]}\n" for n in range(20)]
    (RAW_FOLDER / "labels.csv").write_text("".join(["path,label\n", *lines]))
    rows = prepared()
    assert len(rows) == 20
    assert all(row.path.endswith(f"/{row.source}.webp") for row in rows)


def test_csv_file_with_split_and_group() -> None:
    write_small_images(*(f"{n}.png" for n in range(12)))
    side = ["train", "train", "validation", "test"]
    lines = [f"{n}.png,{'ab'[n % 2]},{side[n // 2 % 4]},g{n // 2}\n" for n in range(12)]
    (RAW_FOLDER / "labels.csv").write_text("".join(["path,label,split,group\n", *lines]))
    with pytest.raises(TenchError, match=r"data\.groups is set"):
        prepared(groups="(.)")
    rows = prepared()
    assert Counter(row.split for row in rows) == {"train": 8, "val": 2, "test": 2}
    assert {row.source: row.group for row in rows} == {f"{n}.png": f"g{n // 2}" for n in range(12)}


@pytest.mark.parametrize("folders", [["."], ["train", "test"], ["train", "val"]])
def test_no_group_is_on_two_sides_of_the_written_index(folders: list[str]) -> None:
    for folder in folders:
        patients = range(12) if folder == "train" else range(12, 24)
        write_small_images(
            *(
                f"{folder}/{name}/patient{patient}_{n}.png"
                for name in "ab"
                for patient in patients
                for n in range(2 + patient % 3)
            )
        )
    # one image under two patients' names joins them
    last = RAW_FOLDER / folders[-1]
    shutil.copy(*sorted((last / "a").glob("patient1[34]_0.png")))
    prepared(groups=r"(patient\d+)")
    sides, shown = defaultdict(set), defaultdict(set)
    for row in read_index():
        assert f"/{row.group}_" in row.source
        sides[row.group].add(row.split)
        shown[row.sha256].add(row.split)
    assert len(sides) == 12 * len(folders)
    assert {side for where in sides.values() for side in where} == {"train", "val", "test"}
    assert all(len(where) == 1 for where in [*sides.values(), *shown.values()])


def test_without_groups_the_column_is_empty() -> None:
    draw_classes(".", 10)
    assert {row.group for row in prepared()} == {""}


@pytest.mark.parametrize("how", ["squash", "crop", "pad"])
def test_images_become_square_as_the_parameter_sets(how: str) -> None:
    draw_classes(".", 10)
    prepared(resize=how)


def test_class_that_cannot_be_read() -> None:
    draw_classes(".", 10)
    for file in (RAW_FOLDER / "a").iterdir():
        file.write_text("no image")
    with pytest.raises(TenchError, match="class a: all files are unreadable"):
        prepared(max_rejected=1)
