"""Folders of images as an attacker or a bad day leaves them: one line, or nothing happens."""

import csv
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from formulas import formula_cells
from pipeline_clones import CHECKOUT, run_command
from small_images import (
    RAW_FOLDER,
    list_prepared_paths,
    prepare_and_split,
    read_rejected,
    write_small_images,
)

from stages.raw import check_raw_folder
from tench.core.errors import TenchError, UnreadableError
from tench.core.files import read_csv, write_csv
from tench.core.params import Data
from tench.core.paths import INDEX, PREPARED, PREPARED_INDEX, REJECTED
from tench.data.audit.image_quality import open_image
from tench.data.decode.decoder import read_image
from tench.data.index import read_index
from tench.data.ingest.layouts import LAYOUT_HELP
from tench.data.ingest.scan import scan_raw_folder
from tench.data.init.survey import read_header

DATA = {"image_size": 32, "resize": "squash", "val_fraction": 0.3, "test_fraction": 0.3}
OVERRIDE = "\u202e"


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAW with two classes, below the current directory."""
    monkeypatch.chdir(tmp_path)
    write_small_images(*(f"{name}/{n}.png" for name in "ab" for n in range(10)))


def settings(**more: object) -> Data:
    """Parameters for RAW."""
    return Data.model_validate({**DATA, "raw": str(RAW_FOLDER), "max_rejected": 0.5, **more})


def error(names: dict[str, str] | None = None, groups: str | None = None) -> str:
    """The error of a scan of RAW: one printable line, without the layouts."""
    with pytest.raises(TenchError) as caught:
        scan_raw_folder(RAW_FOLDER, names or {}, groups)
    said = str(caught.value).removesuffix(f"\n{LAYOUT_HELP}")
    assert said.isprintable()
    return said


def make(kind: str, file: Path) -> Iterator[object]:
    """Put something into a file's place that is none, for as long as the test takes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as one:
        if kind == "a socket":
            one.bind(str(file))
        elif kind == "a pipe":
            os.mkfifo(file)
        else:
            file.symlink_to({"a device": "/dev/zero", "a broken link": "gone"}.get(kind, file.name))
        yield one


@pytest.mark.parametrize("name", ["a/x.png", "x", ".git/x", "a/deep/x"])
@pytest.mark.parametrize(
    "kind", ["a pipe", "a socket", "a device", "a broken link", "a circular link"]
)
def test_what_would_be_waited_for_is_refused_before_dvc_opens_it(kind: str, name: str) -> None:
    for _ in make(kind, RAW_FOLDER / name):
        said = error()
        assert said.startswith(f"{RAW_FOLDER / name}: {kind}")
        with pytest.raises(TenchError) as caught:
            check_raw_folder(str(RAW_FOLDER))
        assert str(caught.value) == said


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_no_reader_waits_for_a_pipe_instead_of_an_image(kind: str) -> None:
    for _ in make(kind, RAW_FOLDER / "x.png"):
        with pytest.raises(UnreadableError, match="a pipe, a socket or a device"):
            read_image(RAW_FOLDER / "x.png")
        with pytest.raises(TenchError, match=r"x\.png: a pipe, a socket or a device"):
            open_image(RAW_FOLDER / "x.png")
        assert read_header(RAW_FOLDER / "x.png").reason == "a pipe, a socket or a device"


def test_adopting_a_folder_with_a_pipe_is_one_error() -> None:
    shutil.copy(CHECKOUT / "params.yaml", ".")
    os.mkfifo(RAW_FOLDER / "a/pipe.png")
    command = (sys.executable, "-m", "tench.data.init", str(RAW_FOLDER))
    said = run_command(Path.cwd(), *command, PYTHONPATH=str(CHECKOUT))
    assert (said.returncode, said.stdout.count("\n")) == (1, 1)
    assert said.stdout.startswith(f"error: {RAW_FOLDER / 'a/pipe.png'}: a pipe")


@pytest.mark.parametrize("target", [".", "..", "../b", "/etc"])
def test_links_to_folders_are_refused_wherever_they_lead(target: str) -> None:
    (RAW_FOLDER / "a/more").symlink_to(target)
    assert error().startswith(f"{RAW_FOLDER / 'a/more'}: a link to a folder ({target})")


def test_a_link_to_a_file_elsewhere_is_read_and_no_image_of_it_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0")
    (RAW_FOLDER / "a/p.png").symlink_to(secret)
    rows = prepare_and_split(settings())
    assert [one["source"] for one in read_rejected()] == ["a/p.png"]
    assert "root" not in (PREPARED / "rejected.csv").read_text()
    assert len(rows) == 20


def test_what_is_nested_without_end_is_refused() -> None:
    folder = os.open(RAW_FOLDER / "a", os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d", dir_fd=folder)
        folder, before = os.open("d", os.O_RDONLY, dir_fd=folder), folder
        os.close(before)
    os.close(folder)
    assert error().endswith("a path below raw may have 1000 bytes; move it up")


@pytest.mark.parametrize(
    "name",
    ["a/\udcff.png", "\udcff/1.png", "a/.\udcff", "a/n\nerror: x.png", "c\n/1.png", "\x1b[2J/1"],
)
def test_names_that_no_line_can_hold(name: str) -> None:
    try:
        write_small_images(name)
    except UnicodeEncodeError:  # of which `draw` makes a seed
        (RAW_FOLDER / name).parent.mkdir(exist_ok=True)
        (RAW_FOLDER / name).touch()
    assert "a name must be UTF-8 on one line, without control characters" in error()


FORMULA_NAMES = [
    "=1+1",
    "-1",
    "+1",
    "@x",
    " =x",
    "x;=1+1",
    "x; -1",
    "x;\uff1d1",
    "\uff0b1",
    "'=1",
    "''-1",
]


@pytest.mark.parametrize("name", FORMULA_NAMES)
def test_names_that_start_like_formulas_are_accepted_and_escaped_in_every_table(name: str) -> None:
    class_name = name.strip()
    write_small_images(*(f"{class_name}/{name}_{n}.png" for n in range(10)))
    (RAW_FOLDER / class_name / f"{name}.png").write_text("no image")
    prepare_and_split(settings(groups=r"([^/]+?)\.png$"))
    rows = read_index()
    assert {row.class_name for row in rows} == {"a", "b", class_name}
    sources = {row.source for row in rows if row.class_name == class_name}
    assert sources == {f"{class_name}/{name}_{n}.png" for n in range(10)}
    assert {row.group for row in rows} >= {f"{name}_{n}" for n in range(10)}
    assert [one["source"] for one in read_rejected()] == [f"{class_name}/{name}.png"]
    for file in (PREPARED_INDEX, INDEX, REJECTED):
        assert not formula_cells(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", FORMULA_NAMES)
def test_audit_and_evaluation_tables_contain_no_formula(name: str) -> None:
    file = Path("table.csv")
    write_csv((name, "value"), [(name, -0.5), (f"a,{name}", "")], file)
    assert not formula_cells(file.read_text(encoding="utf-8"))
    first, second = read_csv(file)
    assert list(first.items()) == [(name, name), ("value", "-0.5")]
    assert second[name] == f"a,{name}"


def test_a_class_name_that_is_refused_can_be_changed_under_data_classes() -> None:
    name = f"x{OVERRIDE}gpj"
    write_small_images(*(f"{name}/{n}.png" for n in range(10)))
    assert error().startswith(f"{RAW_FOLDER}: the class {name!r} must not")
    assert "data.classes" in error()
    assert "fine" in {source.class_name for source in scan_raw_folder(RAW_FOLDER, {name: "fine"})}


@pytest.mark.parametrize("name", ["..", ".", "/etc", "a/../b", "x\ny", " x", "x" * 256, ""])
def test_data_classes_gives_no_name_that_leads_elsewhere(name: str) -> None:
    with pytest.raises(ValueError, match="must be a plain folder name"):
        settings(classes={"a": name})


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("../raw/a/1.png", "has '..' in it; write 'a/1.png', its path from raw"),
        ("a/../../raw/a/1.png", "has '..' in it; write 'a/1.png', its path from raw"),
        ("../a/1.png", "has '..' in it; it is not in raw: put the image there"),
        ("/etc/passwd", "is absolute; it is not in raw: put the image there"),
        ("{raw}/a/1.png", "is absolute; write 'a/1.png', its path from raw"),
        ("{raw}/../out.png", "is absolute; it is not in raw"),
        ("C:\\x.png", "there is no file raw/C:\\x.png"),
        ("~/x.png", "there is no file raw/~/x.png"),
        ("x" * 300, "too long a name"),
        ("d/" * 2_100, "too long a name"),
        ("a/\0.png", "a name must be UTF-8 on one line"),
    ],
)
def test_paths_of_a_csv_file_that_lead_elsewhere(path: str, said: str) -> None:
    path = path.replace("{raw}", str(RAW_FOLDER.absolute()))
    (RAW_FOLDER / "labels.csv").write_text(f"path,label\na/1.png,x\n{path},y\n", encoding="utf-8")
    assert said in error()


def test_an_absolute_path_through_a_link_to_the_folder_is_named_from_the_folder() -> None:
    RAW_FOLDER.rename("elsewhere")
    RAW_FOLDER.symlink_to("elsewhere")
    for top in (RAW_FOLDER.absolute(), RAW_FOLDER.resolve()):
        text = f"path,label\na/1.png,x\n{top}/b/2.png,y\n"
        (RAW_FOLDER / "labels.csv").write_text(text, encoding="utf-8")
        assert f"line 3: the path '{top}/b/2.png' is absolute; write 'b/2.png'" in error()


def test_no_cell_of_the_index_is_a_formula_and_stages_read_what_they_wrote() -> None:
    files = ["=1+1.png", "-x.png", "@x.png", " =x.png", "+c/d.png", "a,=1.png", 'q",=1.png']
    write_small_images(*files)
    lines = [f"{name}/{n}.png" for name in "ab" for n in range(10)] + files
    with (RAW_FOLDER / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["path", "label"])
        writer.writerows((path, "xy"[place % 2]) for place, path in enumerate(lines))
    (RAW_FOLDER / "@x.png").write_text("no image")
    prepare_and_split(settings())
    for file in (PREPARED_INDEX, INDEX, REJECTED):
        assert not formula_cells(file.read_text(encoding="utf-8"))
    lines.remove("@x.png")
    assert {row.source for row in read_index()} == set(lines)
    assert sorted(row.path for row in read_index()) == sorted(list_prepared_paths())


def test_an_archive_is_an_error_and_one_among_images_is_rejected() -> None:
    shutil.make_archive("images", "zip", RAW_FOLDER)
    with pytest.raises(TenchError, match=r"images\.zip: a file, not a folder; an archive must be"):
        check_raw_folder("images.zip")
    with pytest.raises(TenchError, match=r"images\.zip: a file, not a folder; an archive must be"):
        scan_raw_folder(Path("images.zip"), {})
    shutil.move("images.zip", RAW_FOLDER / "a/all.zip")
    prepare_and_split(settings())
    assert [one["source"] for one in read_rejected()] == ["a/all.zip"]
