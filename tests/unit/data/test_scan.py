"""The class folders of a raw image folder, and one clear error for every way they may not be."""

import os
from pathlib import Path

import pytest
from small_images import temporarily_unreadable

from tench.core.errors import TenchError
from tench.data.ingest.layouts import LAYOUT_HELP
from tench.data.ingest.scan import SourceFile, scan_raw_folder

RAW = Path("raw")
TWO_CLASSES = ("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg")


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAW with two classes, below the current directory."""
    monkeypatch.chdir(tmp_path)
    add(*TWO_CLASSES)


def add(*files: str) -> None:
    """Make empty files below RAW: scan does not look into them."""
    for name in files:
        (RAW / name).parent.mkdir(parents=True, exist_ok=True)
        (RAW / name).touch()


def found(names: dict[str, str] | None = None) -> list[str]:
    """The files that scan lists, below RAW."""
    return [source.file.relative_to(RAW).as_posix() for source in scan_raw_folder(RAW, names or {})]


def error(names: dict[str, str] | None = None) -> str:
    """The error of a scan of RAW: one line, without the layouts."""
    with pytest.raises(TenchError) as caught:
        scan_raw_folder(RAW, names or {})
    said = str(caught.value).removesuffix(f"\n{LAYOUT_HELP}")
    assert "\n" not in said
    return said


def test_train_before_val_by_class_name_by_file_name() -> None:
    add("train/a/0.jpg", "val/a/B.jpg", "val/a/a.jpg")
    assert scan_raw_folder(RAW, {"a": "zander", "b": "bream"}) == [
        SourceFile("train", "bream", RAW / "train/b/1.jpg"),
        SourceFile("train", "zander", RAW / "train/a/0.jpg"),
        SourceFile("train", "zander", RAW / "train/a/1.jpg"),
        SourceFile("val", "bream", RAW / "val/b/1.jpg"),
        SourceFile("val", "zander", RAW / "val/a/1.jpg"),
        SourceFile("val", "zander", RAW / "val/a/a.jpg"),
        SourceFile("val", "zander", RAW / "val/a/B.jpg"),
    ]


def test_files_of_file_managers_are_skipped() -> None:
    add(".DS_Store", "train/.DS_Store", "train/a/.DS_Store", "val/b/Thumbs.db", "val/b/desktop.ini")
    add("train/__MACOSX/a/._1.jpg")
    add("notes.txt", "train/readme.txt", "train/a/._1.jpg", "train/.cache/x.jpg")
    add("train/a/.cache/x.jpg")
    assert found() == list(TWO_CLASSES)


def test_nested_folders_belong_to_their_class() -> None:
    add("train/a/more/deep/x.jpg")
    assert "train/a/more/deep/x.jpg" in found()


def test_any_file_name_is_listed() -> None:
    # macOS puts U+202F into the names of screenshots
    names = ["two words.jpg", "Schlüssel 鱼 🐟.jpg", "3.04\u202fPM.jpg", "a,b\"c'.jpg", "no_suffix"]
    add(*(f"train/a/{name}" for name in names))
    assert {f"train/a/{name}" for name in names} < set(found())


@pytest.mark.parametrize("folder", ["sea fish", "鱼", "می‌خواهم", "a.b"])
def test_class_folders_of_any_language_are_listed(folder: str) -> None:
    add(f"train/{folder}/1.jpg", f"val/{folder}/1.jpg")
    assert f"train/{folder}/1.jpg" in found()


def test_class_in_train_or_val_only() -> None:
    add("train/c/x.jpg")
    assert error().startswith(f"{RAW / 'train/c'}: this class has no folder {RAW / 'val/c'}")
    add("val/c/x.jpg", "val/d/x.jpg")
    assert error().startswith(f"{RAW / 'val/d'}: this class has no folder {RAW / 'train/d'}")


@pytest.mark.parametrize("part", ["train", "val"])
def test_empty_class(part: str) -> None:
    add("train/c/x.jpg", "val/c/x.jpg")
    (RAW / part / "c/x.jpg").unlink()
    assert error().startswith(f"{RAW / part / 'c'}: no files")
    add(f"{part}/c/.DS_Store")
    assert error().startswith(f"{RAW / part / 'c'}: no files")


def test_fewer_than_two_classes() -> None:
    for part in ("train", "val"):
        (RAW / part / "b").rename(RAW / f"{part}-b")
    assert error().startswith(f"{RAW / 'train'}: only one class (a)")
    for part in ("train", "val"):
        (RAW / part / "a").rename(RAW / f"{part}-a")
    assert error().startswith(f"{RAW / 'train'}: no class folders")


@pytest.mark.parametrize("part", ["train", "val"])
def test_no_train_or_val(part: str) -> None:
    (RAW / part).rename(RAW / "elsewhere")
    assert error().startswith(f"{RAW}: has no folder {part}/")
    (RAW / part).write_text("a file")
    assert error().startswith(f"{RAW}: has no folder {part}/")


@pytest.mark.parametrize(
    ("one", "other"), [("x1.jpg", "X1.jpg"), ("A/x.jpg", "a/x.jpg"), ("\u00e9", "e\u0301")]
)
def test_file_names_that_some_file_systems_take_for_one(one: str, other: str) -> None:
    add(f"train/a/{one}", f"train/a/{other}")
    if sum(file.is_file() for file in (RAW / "train/a").rglob("*")) == 2:
        pytest.skip("this file system does not tell them apart")
    first, second = sorted((RAW / "train/a" / one, RAW / "train/a" / other))
    assert error().startswith(f"{first} and {second}: these file names differ only in case")


def test_file_name_twice_in_a_class_is_distinguished_by_its_folders() -> None:
    add("train/a/x.jpg", "train/a/one/x.jpg", "train/a/two/deep/X.jpg", "train/a/two/y.jpg")
    apart = {
        one.file.relative_to(RAW / "train/a").as_posix(): one.subfolder
        for one in scan_raw_folder(RAW, {})[:5]
    }
    assert apart == {
        "1.jpg": "",
        "x.jpg": "",
        "one/x.jpg": "one/",
        "two/deep/X.jpg": "two/deep/",
        "two/y.jpg": "",
    }


def test_folder_that_would_be_called_like_a_prepared_image() -> None:
    add("train/a/x", "train/a/x.webp/x")
    assert error() == f"{RAW / 'train/a/x.webp'}: a folder must not be named *.webp; rename it"


@pytest.mark.parametrize("name", ["b", "B"])
def test_mapped_name_must_not_be_that_of_another_folder(name: str) -> None:
    assert "params.yaml: data.classes: the folders or labels a and b " in error({"a": name})
    assert found({"a": name, "b": "c"}) == [
        "train/a/1.jpg",
        "train/b/1.jpg",
        "val/a/1.jpg",
        "val/b/1.jpg",
    ]


def test_class_folders_must_differ_in_more_than_unicode_composition() -> None:
    folders = ("\u00e9", "e\u0301")
    add(*(f"{part}/{folder}/1.jpg" for part in ("train", "val") for folder in folders))
    if len(list((RAW / "train").iterdir())) == 3:
        pytest.skip("this file system does not tell them apart")
    assert "would both be named" in error()


def test_listed_folder_that_is_not_there_does_not_matter() -> None:
    assert found({"x": "b", "a": "fish"}) == [
        "train/b/1.jpg",
        "train/a/1.jpg",
        "val/b/1.jpg",
        "val/a/1.jpg",
    ]


@pytest.mark.parametrize("end", ["\n", "\r", "\x1b[31m", "\u2028"])
def test_file_name_that_would_break_a_line_or_reach_the_terminal(end: str) -> None:
    add(f"train/a/x{end}.jpg")
    said = error()
    assert repr(f"{RAW}/train/a/x{end}.jpg") in said
    assert end not in said


@pytest.mark.parametrize("folder", ["=1+1", "+1", "-1", "@c"])
def test_class_folder_that_starts_like_a_formula(folder: str) -> None:
    add(f"train/{folder}/1.jpg", f"val/{folder}/1.jpg")
    assert f"train/{folder}/1.jpg" in found()


@pytest.mark.parametrize("link", ["train/c", "val", "train/a/more"])
def test_links_to_folders_are_refused(link: str, tmp_path: Path) -> None:
    for part in ("train", "val"):
        add(f"{part}/c/1.jpg")
    elsewhere = tmp_path / "elsewhere"
    (RAW / link).parent.mkdir(exist_ok=True)
    if (RAW / link).exists():
        (RAW / link).rename(elsewhere)
    else:
        elsewhere.mkdir()
    (RAW / link).symlink_to(elsewhere)
    said = error()
    assert said.startswith(f"{RAW / link}: a link to a folder ({elsewhere})")
    assert "set data.raw" in said


def test_links_to_files_are_read_and_links_to_nothing_refused(tmp_path: Path) -> None:
    (tmp_path / "image.jpg").touch()
    (RAW / "train/a/2.jpg").symlink_to(tmp_path / "image.jpg")
    assert "train/a/2.jpg" in found()
    (tmp_path / "image.jpg").unlink()
    assert error().startswith(f"{RAW / 'train/a/2.jpg'}: a broken link")


def test_the_raw_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    RAW.rename(tmp_path / "elsewhere")
    RAW.symlink_to(tmp_path / "elsewhere")
    assert found() == list(TWO_CLASSES)


def test_file_name_too_long_to_keep() -> None:
    name = "x" * 251 + ".jpg"  # 255 bytes are allowed, and prepare needs five more
    add(f"train/a/{name}")
    assert name in error()


def test_file_name_that_is_no_text() -> None:
    try:
        add("train/a/\udcff.jpg")
    except OSError:
        pytest.skip("this file system has no such names")
    assert r"\udcff" in error()


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31m", "\u2028"])
@pytest.mark.parametrize("place", [".", "train", "train/a"])
def test_folder_whose_name_would_break_a_line(place: str, name: str) -> None:
    add(f"{place}/{name}/1.jpg")
    assert repr(name).strip("'") in error()


def test_link_to_a_name_that_would_break_a_line() -> None:
    (RAW / "train/a/2.jpg").symlink_to("a\nb")
    assert error().startswith(f"{RAW / 'train/a/2.jpg'}: a broken link (a\\nb)")


def test_pipe_that_would_be_waited_for() -> None:
    os.mkfifo(RAW / "train/a/2.jpg")
    assert error().startswith(f"{RAW / 'train/a/2.jpg'}: a pipe, not a file; DVC would wait")


def test_folders_too_deep() -> None:
    folder = RAW / "train/a"
    for _ in range(1000):
        folder /= "x"
        folder.mkdir()
    try:
        assert "a path below raw may have 1000 bytes" in error()
    finally:
        while folder != RAW / "train/a":  # pytest could not delete them
            folder.rmdir()
            folder = folder.parent


def test_an_unreadable_folder_is_not_skipped() -> None:
    add("train/a/more/1.jpg")
    with temporarily_unreadable(RAW / "train/a/more"), pytest.raises(PermissionError):
        scan_raw_folder(RAW, {})


@pytest.mark.parametrize("folder", ["c\nd", " c", "c\t"])
def test_class_folder_whose_name_is_no_class_name(folder: str) -> None:
    add(f"train/{folder}/1.jpg", f"val/{folder}/1.jpg")
    assert repr(folder)[1:-1] in error()
