"""A CSV file in place of folders, and one error with the line for everything that may be wrong."""

import os
from pathlib import Path

import pytest
from dvc.fs import LocalFileSystem
from dvc.ignore import DvcIgnoreFilter
from pipeline_clones import CHECKOUT

from tench.core.errors import TenchError
from tench.core.names import DVC_IGNORED, is_ignored_by_dvc
from tench.core.params import Data
from tench.data.ingest.layouts import LAYOUT_HELP
from tench.data.ingest.scan import SourceFile, scan_raw_folder

RAW = Path("raw")
TABLE = RAW / "labels.csv"
FILES = ("p1/1.jpg", "p1/2.jpg", "p2/1.jpg", "p3/a b,c.jpg", "p3/unused.jpg")


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAW with FILES, below the current directory."""
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (RAW / name).parent.mkdir(parents=True, exist_ok=True)
        (RAW / name).touch()


def found(text: str, names: dict[str, str] | None = None) -> list[SourceFile]:
    """What scan lists with a CSV file of this text."""
    TABLE.write_text(text, encoding="utf-8")
    return scan_raw_folder(RAW, names or {})


def error(text: str | bytes) -> str:
    """The error of a scan for a CSV file of this text: one line, without the layouts."""
    TABLE.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(TenchError) as caught:
        scan_raw_folder(RAW, {})
    said = str(caught.value)
    assert said.endswith(f"\n{LAYOUT_HELP}")
    assert "\n" not in said.removesuffix(f"\n{LAYOUT_HELP}")
    return said.removesuffix(f"\n{LAYOUT_HELP}")


def test_the_csv_file_decides() -> None:
    text = 'path,label\np1/1.jpg,x\np2/1.jpg,y\n"p3/a b,c.jpg",x\n'
    assert found(text, {"x": "zander"}) == [
        SourceFile("", "y", RAW / "p2/1.jpg"),
        SourceFile("", "zander", RAW / "p1/1.jpg"),
        SourceFile("", "zander", RAW / "p3/a b,c.jpg"),
    ]


def test_split_and_group_and_other_columns_in_any_order() -> None:
    text = "age,group,split,label,path\n" + "".join(
        f"7,{path[:2]},{split},{label},{path}\r\n"
        for path, split, label in [
            ("p2/1.jpg", "Valid", "y"),
            ("p3/unused.jpg", "validation", "x"),
            ("p1/1.jpg", "TRAIN", "x"),
            ("p1/2.jpg", "training", "y"),
        ]
    )
    assert found(text) == [
        SourceFile("train", "x", RAW / "p1/1.jpg", "p1"),
        SourceFile("train", "y", RAW / "p1/2.jpg", "p1"),
        SourceFile("val", "x", RAW / "p3/unused.jpg", "p3"),
        SourceFile("val", "y", RAW / "p2/1.jpg", "p2"),
    ]


def test_order_of_the_lines_does_not_matter() -> None:
    lines = ["p1/1.jpg,x", "p2/1.jpg,y", "p1/2.jpg,x"]
    assert found("\n".join(["path,label", *lines])) == found(
        "\n".join(["path,label", *lines[::-1]])
    )


def test_byte_order_mark_blank_lines_and_an_empty_split_column() -> None:
    assert len(found("\ufeffpath,label,split\n\np1/1.jpg,x,\n,,\n./p2//1.jpg, y ,\n")) == 2


def test_equal_file_names_are_distinguished_by_their_folders() -> None:
    sources = found("path,label\np1/1.jpg,x\np2/1.jpg,x\np1/2.jpg,x\np3/unused.jpg,y\n")
    assert [one.subfolder for one in sources] == ["p1/", "p2/", "", ""]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ", line 1: no column path among ; separate with commas"),
        ("path,class\np1/1.jpg,x\n", ", line 1: no column label among 'path', 'class'; separate"),
        ("path;label\np1/1.jpg;x\n", ", line 1: no column path among 'path;label'; separate"),
        ("path,label,label\n", ", line 1: the column label twice"),
        ("path,label\n", ": no images below line 1"),
        ("path,label\np1/1.jpg\n", ", line 2: 1 cells, but 2 columns"),
        ("path,label\np3/a b,c.jpg,x\n", ", line 2: 3 cells, but 2 columns; quote"),
        ("path,label\np1/1.jpg,x\ngone.jpg,x\n", ", line 3: there is no file raw/gone.jpg;"),
        ("path,label\np1,x\n", ", line 2: there is no file raw/p1;"),
        ("path,label\n,x\n", ", line 2: there is no file raw;"),
        (
            f"path,label\n{'x' * 256}/x,x\n",
            f", line 2: there is no file raw/{'x' * 96}…: too long a name",
        ),
        (f"path,label\n{'x/' * 3000}x,x\n", ", line 2: there is no file raw/x/x/"),
        (f"path,label\np1/1.jpg,{'x' * 9000},x\n", ", line 2: 3 cells, but 2 columns"),
        (f"{'x,' * 9000}\n", ", line 1: no column path among 'x', 'x', "),
        (
            "path,label\n../raw/p1/1.jpg,x\n",
            ", line 2: the path '../raw/p1/1.jpg' has '..' in it; write 'p1/1.jpg'",
        ),
        (
            "path,label\n/etc/passwd,x\n",
            ", line 2: the path '/etc/passwd' is absolute; it is not in",
        ),
        (
            "path,label\np1/1.jpg,x\n\n./p1/1.jpg,y\n",
            ", line 4: the path './p1/1.jpg' again, after",
        ),
        ("path,label\np1/1.jpg, \n", ", line 2: the label is ''"),
        ('path,label\np1/1.jpg,"a\nb"\n', ", line 3: the label is 'a\\nb'"),
        ("path,label,group\np1/1.jpg,x,\n", ", line 2: the group is ''"),
        ("path,label,split\np1/1.jpg,x,dev\n", ", line 2: the split is 'dev'; it must be one of"),
        (
            "path,label,split\np1/1.jpg,x,train\np2/1.jpg,y,\n",
            ", line 3: a split in some lines only",
        ),
        ('path,label\n"p1/1.jpg,x\n', ", line 2: not CSV: unexpected end of data"),
        ("path,label\np1/1.jpg,x\n", ": only one class (x)"),
        (
            "path,label,split\np1/1.jpg,x,val\np2/1.jpg,y,test\n",
            ": found the split test, val; use train with val, test or both",
        ),
        (
            "path,label,split\np1/1.jpg,x,train\np1/2.jpg,y,train\np2/1.jpg,y,val\n",
            ": the class x has no images in val; every class needs some in each of train, val",
        ),
    ],
)
def test_errors_are_reported_with_their_line(text: str, said: str) -> None:
    assert error(text).startswith(f"{TABLE}{said}")


def test_invalid_utf_8_is_reported_with_its_line() -> None:
    assert error("path,label\np1/1.jpg,x\np1/2.jpg,é\n".encode("latin-1")).startswith(
        f"{TABLE}, line 3: not UTF-8"
    )


@pytest.mark.parametrize("link", ["more", "more/deep"])
def test_links_to_folders_are_refused(link: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/deep/1.jpg").touch()
    (RAW / link).parent.mkdir(exist_ok=True)
    (RAW / link).symlink_to(tmp_path / "elsewhere")
    path = "more/deep/1.jpg" if link == "more" else "more/deep/deep/1.jpg"
    with pytest.raises(TenchError, match=f"{link}: a link to a folder"):
        found(f"path,label\np1/1.jpg,x\n{path},y\n")


@pytest.mark.parametrize("label", ["a/b", "a\\b", "../x", ".", ".hidden", "é" * 128, "x\u202ey"])
def test_label_that_is_no_class_name_can_be_renamed(label: str) -> None:
    text = f"path,label\np1/1.jpg,{label}\np2/1.jpg,y\n"
    with pytest.raises(TenchError, match=r"labels\.csv: the class .* data\.classes"):
        found(text)
    classes = load_classes({label: "fish"})
    assert [one.class_name for one in found(text, classes)] == ["fish", "y"]


def load_classes(classes: dict[str, str]) -> dict[str, str]:
    """Validate data.classes as params.yaml does."""
    return (
        Data.model_validate(
            {
                **{"raw": "raw", "image_size": 32, "resize": "squash", "max_rejected": 0.5},
                **{"val_fraction": 0.2, "test_fraction": 0.2, "classes": classes},
            }
        ).classes
        or {}
    )


DVC_NAMES = (*DVC_IGNORED, ".dvc", "A.dvc", ".part-x")
FOLDERS_DVC_IGNORES = ("__pycache__", ".hg")
NAMES_DVC_SEES = ("DVC.yaml", "x.dvcx", ".hidden", ".dvcx", "part-x", "__pycache__x", "Thumbs.db")


def project_with_dvcignore() -> DvcIgnoreFilter:
    """The ignore rules of DVC for a project with the .dvcignore of Tench."""
    Path(".dvcignore").write_bytes((CHECKOUT / ".dvcignore").read_bytes())
    return DvcIgnoreFilter(LocalFileSystem(), str(Path.cwd()))


@pytest.mark.parametrize("name", [*DVC_NAMES, *NAMES_DVC_SEES])
@pytest.mark.parametrize("below", ["/1.jpg", "/deep/1.jpg", ""])
def test_a_csv_file_accepts_exactly_the_files_that_dvc_sees(name: str, below: str) -> None:
    if not below and name in FOLDERS_DVC_IGNORES:
        pytest.skip("DVC ignores a folder of this name, and Tench also a file")
    name = name.replace("*", "x")
    path = f"more/{name}{below}"
    (RAW / path).parent.mkdir(parents=True)
    (RAW / path).touch()
    dvc = project_with_dvcignore()
    absolute = str((RAW / path).absolute())
    ignored = dvc.is_ignored_file(absolute) or dvc.is_ignored_dir(str(Path(absolute).parent))
    assert ignored == is_ignored_by_dvc(Path(path))
    text = f"path,label\np1/1.jpg,x\n{path},y\n"
    if ignored:
        assert f"line 3: DVC ignores {name!r}" in error(text)
    else:
        assert len(found(text)) == 2


def test_groups_from_two_places() -> None:
    TABLE.write_text("path,label,group\np1/1.jpg,x,a\np2/1.jpg,y,b\n")
    with pytest.raises(
        TenchError, match=r"data.groups is set, and .*labels.csv has a column group"
    ):
        scan_raw_folder(RAW, {}, "(p.)")
    TABLE.write_text("path,label\np1/1.jpg,x\np2/1.jpg,y\n")
    assert [one.group for one in scan_raw_folder(RAW, {}, "(p.)")] == ["p1", "p2"]


def test_a_file_too_large_to_be_a_table_is_not_read() -> None:
    TABLE.write_text("path,label\n")
    os.truncate(TABLE, 20 * 2**30)
    with pytest.raises(TenchError, match=r"labels\.csv: more than 268,435,456 bytes; remove"):
        scan_raw_folder(RAW, {})
