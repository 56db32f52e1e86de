"""Which layout a raw folder has, and one error that shows them all where it has none."""

from pathlib import Path

import pytest

from tench.core.errors import TenchError
from tench.data.ingest.layouts import LAYOUT_HELP, detect_layout
from tench.data.ingest.scan import scan_raw_folder

RAW = Path("raw")


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty RAW below the current directory."""
    monkeypatch.chdir(tmp_path)
    RAW.mkdir()


def add(*files: str) -> None:
    """Make empty files below RAW: nothing looks into them."""
    for name in files:
        (RAW / name).parent.mkdir(parents=True, exist_ok=True)
        (RAW / name).touch()


def add_classes(*folders: str) -> None:
    """Make two classes in each of these folders of RAW."""
    for folder in folders:
        add(f"{folder}/a/1.jpg", f"{folder}/b/1.jpg")


def error() -> str:
    """The error of a scan of RAW, without the layouts at its end."""
    with pytest.raises(TenchError) as caught:
        scan_raw_folder(RAW, {})
    said = str(caught.value)
    assert said.endswith(f"\n{LAYOUT_HELP}")
    return said.removesuffix(f"\n{LAYOUT_HELP}")


def splits() -> list[tuple[str, str]]:
    """The side and the file of every source."""
    return [(one.split, one.file.relative_to(RAW).as_posix()) for one in scan_raw_folder(RAW, {})]


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (["train", "val"], "train/ and val/"),
        (["Training", "Valid"], "Training/ and Valid/"),
        (["TRAIN", "validation", "Testing"], "TRAIN/ and validation/ and Testing/"),
        (["test", "train"], "train/ and test/"),
    ],
)
def test_folders_named_like_sides_in_any_usual_way(folders: list[str], words: str) -> None:
    add_classes(*folders)
    assert detect_layout(RAW).description == words
    sides = {file.split("/")[0].lower()[:3]: split for split, file in splits()}
    names = {"tra": "train", "val": "val", "tes": "test"}
    assert sides == {folder.lower()[:3]: names[folder.lower()[:3]] for folder in folders}


def test_train_before_val_before_test() -> None:
    add_classes("test", "train", "val")
    assert [split for split, _ in splits()] == ["train", "train", "val", "val", "test", "test"]


def test_class_folders_alone_set_no_split() -> None:
    add("rose/2.jpg", "rose/1.jpg", "tulip/1.jpg", "notes.txt", ".git/config", "__MACOSX/._x.jpg")
    assert detect_layout(RAW).description == "class folders"
    assert splits() == [("", "rose/1.jpg"), ("", "rose/2.jpg"), ("", "tulip/1.jpg")]


def test_other_folders_and_notes_beside_the_splits_are_skipped() -> None:
    add_classes("train", "val", "old")
    (RAW / "noisy.csv").write_text("path,noisy_labels_0\ntrain/a/1.jpg,a\n")
    assert {file.split("/")[0] for _, file in splits()} == {"train", "val"}


def test_csv_file_with_the_columns_decides_beside_the_sides_too() -> None:
    add_classes("train", "val")
    table = RAW / "labels.csv"
    table.write_text("path,label\ntrain/a/1.jpg,x\nval/b/1.jpg,y\n", encoding="utf-8-sig")
    assert detect_layout(RAW).description == "a CSV file, labels.csv"
    assert splits() == [("", "train/a/1.jpg"), ("", "val/b/1.jpg")]


@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ([], "fewer than two class folders; found nothing"),
        (["only"], "fewer than two class folders; found only/; did you mean data.raw: raw/only?"),
        (["train"], "has no folder val/ or test/; found train/"),
        (["rose", "val", "tulip"], "has no folder train/; found rose/, tulip/, val/"),
        (["test", "val"], "has no folder train/; found test/, val/"),
    ],
)
def test_no_layout_is_reported_with_what_is_there(folders: list[str], said: str) -> None:
    add_classes(*folders)
    assert error() == f"{RAW}: {said}"


def test_files_without_folders_are_counted() -> None:
    add(*(f"{n}.jpg" for n in range(12)))
    assert error() == f"{RAW}: fewer than two class folders; found 12 files"


def test_many_folders_are_not_all_named() -> None:
    add_classes("val", *(f"c{n}" for n in range(20)))
    assert error().endswith("found c0/, c1/, c10/, c11/, c12/, c13/, c14/, c15/, 13 more folders")


def test_two_folders_of_one_side() -> None:
    add_classes("train", "val", "valid")
    assert error().startswith(f"{RAW / 'val'} and {RAW / 'valid'}: both are val")


def test_several_csv_files() -> None:
    add("a.csv", "b.CSV")
    assert error() == f"{RAW}: 2 CSV files (a.csv, b.CSV); keep one"


def test_file_or_nothing_instead_of_a_folder() -> None:
    RAW.rmdir()
    assert error() == f"{RAW}: no such folder"
    RAW.touch()
    assert error() == f"{RAW}: a file, not a folder; an archive must be unpacked first"


@pytest.mark.parametrize("missing", ["train", "val", "test"])
def test_every_class_has_images_on_every_side(missing: str) -> None:
    add_classes("train", "val", "test")
    add(*(f"{side}/c/1.jpg" for side in ("train", "val", "test") if side != missing))
    assert f"this class has no folder {RAW / missing / 'c'};" in error()
    (RAW / missing / "c").mkdir()
    assert error().startswith(f"{RAW / missing / 'c'}: no files")


def test_empty_class_folder() -> None:
    add("rose/1.jpg", "tulip/.hidden")
    assert error().startswith(f"{RAW / 'tulip'}: no files")


def test_group_on_two_sides() -> None:
    add(*(f"{side}/{name}/p{n}_1.jpg" for side, n in (("train", 1), ("val", 2)) for name in "ab"))
    assert [one.group for one in scan_raw_folder(RAW, {}, r"(p\d)")] == ["p1", "p1", "p2", "p2"]
    add("val/b/p1_2.jpg")
    with pytest.raises(TenchError, match=r"'p1' is in two splits: .*train/a/p1_1.jpg.*val/b/p1_2"):
        scan_raw_folder(RAW, {}, r"(p\d)")


def test_linked_class_folder(tmp_path: Path) -> None:
    add("rose/1.jpg", "tulip/1.jpg")
    (tmp_path / "elsewhere").mkdir()
    (RAW / "lily").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TenchError, match="a link to a folder"):
        scan_raw_folder(RAW, {})
