"""Folders of pictures as an attacker or a bad day leaves them: one line, or nothing happens."""

import csv
import io
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clones import CHECKOUT, run
from small_pictures import RAW, draw, packed, prepare_and_split, rejected_files

from stages.raw import check_raw
from tench.adopting.found import read_header
from tench.audit.quality import opened
from tench.core.errors import TenchError
from tench.core.names import is_formula
from tench.core.params import Data
from tench.core.paths import INDEX, PICTURES, PREPARED, REJECTED
from tench.intake.layouts import LAYOUTS
from tench.intake.scan import scan
from tench.pictures.index import read_index
from tench.pictures.reading import UnreadableError, read_picture

DATA = {"image_size": 32, "resize": "squash", "val_fraction": 0.3, "test_fraction": 0.3}
OVERRIDE = "\u202e"


@pytest.fixture(autouse=True)
def raw_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RAW with two classes, below the current directory."""
    monkeypatch.chdir(tmp_path)
    draw(*(f"{name}/{n}.png" for name in "ab" for n in range(10)))


def settings(**more: object) -> Data:
    """Parameters for RAW."""
    return Data.model_validate({**DATA, "raw": str(RAW), "max_rejected": 0.5, **more})


def error(names: dict[str, str] | None = None, groups: str | None = None) -> str:
    """What scan says of RAW: one printable line, before the layouts."""
    with pytest.raises(TenchError) as caught:
        scan(RAW, names or {}, groups)
    said = str(caught.value).removesuffix(f"\n{LAYOUTS}")
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
            file.symlink_to(
                {"a device": "/dev/zero", "a link to nothing": "gone"}.get(kind, file.name)
            )
        yield one


@pytest.mark.parametrize("name", ["a/x.png", "x", ".git/x", "a/deep/x"])
@pytest.mark.parametrize(
    "kind", ["a pipe", "a socket", "a device", "a link to nothing", "a link in a circle"]
)
def test_what_would_be_waited_for_is_refused_before_dvc_opens_it(kind: str, name: str) -> None:
    for _ in make(kind, RAW / name):
        said = error()
        assert said.startswith(f"{RAW / name}: {kind}")
        with pytest.raises(TenchError) as caught:
            check_raw(str(RAW))
        assert str(caught.value) == said


@pytest.mark.parametrize("kind", ["a pipe", "a socket", "a device"])
def test_no_reader_waits_for_what_took_a_picture_s_place(kind: str) -> None:
    for _ in make(kind, RAW / "x.png"):
        with pytest.raises(UnreadableError, match="a pipe, a socket or a device"):
            read_picture(RAW / "x.png")
        with pytest.raises(TenchError, match=r"x\.png: a pipe, a socket or a device now"):
            opened(RAW / "x.png")
        assert read_header(RAW / "x.png").reason == "a pipe, a socket or a device"


def test_adopting_a_folder_with_a_pipe_is_one_error() -> None:
    shutil.copy(CHECKOUT / "params.yaml", ".")
    os.mkfifo(RAW / "a/pipe.png")
    command = (sys.executable, "-m", "tench.adopting", str(RAW))
    said = run(Path.cwd(), *command, PYTHONPATH=str(CHECKOUT))
    assert (said.returncode, said.stdout.count("\n")) == (1, 1)
    assert said.stdout.startswith(f"error: {RAW / 'a/pipe.png'}: a pipe")


@pytest.mark.parametrize("target", [".", "..", "../b", "/etc"])
def test_links_to_folders_are_refused_wherever_they_lead(target: str) -> None:
    (RAW / "a/more").symlink_to(target)
    assert error().startswith(f"{RAW / 'a/more'}: a link to a folder ({target})")


def test_a_link_to_a_file_elsewhere_is_read_and_no_picture_of_it_is_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0")
    (RAW / "a/p.png").symlink_to(secret)
    rows = prepare_and_split(settings())
    assert [one["source"] for one in rejected_files()] == ["a/p.png"]
    assert "root" not in (PREPARED / "rejected.csv").read_text()
    assert len(rows) == 20


def test_what_is_nested_without_end_is_refused() -> None:
    folder = os.open(RAW / "a", os.O_RDONLY)
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
        draw(name)
    except UnicodeEncodeError:  # of which `draw` makes a seed
        (RAW / name).parent.mkdir(exist_ok=True)
        (RAW / name).touch()
    assert "a name must be UTF-8 on one line, without control characters" in error()


@pytest.mark.parametrize("file", ["x;=1+1.png", 'x; "-1.png', "d;@/x.png", "x;\uff1d1.png"])
def test_file_names_that_become_formulas_where_semicolons_part_cells(file: str) -> None:
    draw(f"a/{file}")
    assert "a/" in error()
    assert "behind the semicolon, a spreadsheet takes for a formula; rename it" in error()


@pytest.mark.parametrize("name", ["=1+1", "-b", "x;=1", "\uff1d1", f"x{OVERRIDE}gpj"])
def test_class_names_that_are_refused_have_a_way_out(name: str) -> None:
    draw(*(f"{name}/{n}.png" for n in range(10)))
    if is_formula(f"x{name}"):  # which its files are, by any name of the class
        assert "rename it" in error({name: "fine"})
        return
    assert error().startswith(f"{RAW}: the class {name!r} must not")
    assert "fine" in {source.class_name for source in scan(RAW, {name: "fine"})}


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
    path = path.replace("{raw}", str(RAW.absolute()))
    (RAW / "labels.csv").write_text(f"path,label\na/1.png,x\n{path},y\n", encoding="utf-8")
    assert said in error()


def test_an_absolute_path_through_a_link_to_the_folder_is_named_from_the_folder() -> None:
    RAW.rename("elsewhere")
    RAW.symlink_to("elsewhere")
    for top in (RAW.absolute(), RAW.resolve()):
        text = f"path,label\na/1.png,x\n{top}/b/2.png,y\n"
        (RAW / "labels.csv").write_text(text, encoding="utf-8")
        assert f"line 3: the path '{top}/b/2.png' is absolute; write 'b/2.png'" in error()


@pytest.mark.parametrize("group", ["=1+1", "-1", "g;=1"])
def test_groups_that_are_formulas(group: str) -> None:
    (RAW / "labels.csv").write_text(f'path,label,group\na/1.png,x,"{group}"\n', encoding="utf-8")
    assert f"the group is {group!r}, which a spreadsheet takes for a formula" in error()
    (RAW / "labels.csv").unlink()
    (RAW / "a" / f"g_{group.replace(';', ':')}_.png").touch()
    if ";" not in group:
        assert "takes for a formula" in error(groups=r"(?:g_|)([^_/]+)_?\.png$")


def computed(table: str) -> list[str]:
    """The cells that a spreadsheet computes, whatever it takes for what parts them."""
    rows = [row for mark in ",;\t" for row in csv.reader(io.StringIO(table), delimiter=mark)]
    return [cell for row in rows for cell in row if is_formula(cell)]


def test_no_cell_of_the_index_is_a_formula_and_stages_read_what_they_wrote() -> None:
    files = ["=1+1.png", "-x.png", "@x.png", " =x.png", "+c/d.png", "a,=1.png", 'q",=1.png']
    draw(*files)
    lines = [f"{name}/{n}.png" for name in "ab" for n in range(10)] + files
    with (RAW / "labels.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(["path", "label"])
        writer.writerows((path, "xy"[place % 2]) for place, path in enumerate(lines))
    (RAW / "@x.png").write_text("no picture")
    prepare_and_split(settings())
    for file in (PICTURES, INDEX, REJECTED):
        assert not computed(file.read_text(encoding="utf-8"))
    lines.remove("@x.png")
    kept = {(RAW / row.source).relative_to(RAW).as_posix() for row in read_index()}
    assert kept == set(lines)
    assert sorted(row.path for row in read_index()) == sorted(packed())


def test_an_archive_is_told_to_be_unpacked_and_one_among_pictures_is_rejected() -> None:
    shutil.make_archive("pictures", "zip", RAW)
    with pytest.raises(
        TenchError, match=r"pictures\.zip: a file, not a folder; an archive must be"
    ):
        check_raw("pictures.zip")
    with pytest.raises(
        TenchError, match=r"pictures\.zip: a file, not a folder; an archive must be"
    ):
        scan(Path("pictures.zip"), {})
    shutil.move("pictures.zip", RAW / "a/all.zip")
    prepare_and_split(settings())
    assert [one["source"] for one in rejected_files()] == ["a/all.zip"]
