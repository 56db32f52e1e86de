"""Hostile names: files, lists, uploads."""

import csv
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from formulas import formula_cells, is_formula
from PIL import Image
from small_images import temporarily_unreadable

from tench.data.decode.raw_image import RawImage
from tench.deploy.predict import input_files
from tench.deploy.predict.command import open_row_writer
from tench.deploy.predict.input_files import argument_batches, count_files, expand_arguments
from tench.deploy.predict.output_rows import (
    csv_columns,
    csv_row,
    json_line,
    prediction_row,
    rejected_row,
)
from tench.deploy.predict.predict_files import (
    UNREADABLE_FOLDER,
    FileRequest,
    PredictOptions,
    load_request_content,
    predict_file,
)
from tench.deploy.runtime.backends import ModelOutput
from tench.deploy.runtime.export_folder import ExportedClassifier, Thresholds
from tench.deploy.runtime.neighbors import Neighbor, ReferenceSet
from tench.deploy.runtime.predictor import Classifier, Prediction
from tench.deploy.serve import responses
from tench.deploy.serve.uploads import Upload
from tench.run.silence import escape_unencodable_output

NAMES = (
    *("=1+1.png", "-x.png", "+x.png", "@x.png", "\uff1d1.png", "\t=1.png", " =1.png", ";=1.png"),
    *("a;=1+1.png", 'a; "=1".png', "n\nl.png", "\x1b[31m.png", "x\u202egpj.png", "q\"',.png"),
    *("\udcff.png", "\N{FISH}\u200f.png", "$(x)`x`${x}.png", "%s{0}.png", "\u00e9" * 125 + ".png"),
)
SEEN = np.zeros((4, 4, 3), np.uint8), np.zeros((2, 2), np.float32)
PREDICTION = Prediction([("x", 0.9), ("y", 0.1)], [Neighbor(0, "a", "x", 0.2)], "", *SEEN)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def classifier() -> Classifier:
    """A classifier with the same prediction for every image."""
    thresholds = Thresholds(None, 0.9, 1.0)
    exported = ExportedClassifier(Path(), ("x", "y"), 32, "squash", thresholds, {})
    shapes = (2,), (3,), (2, 2, 2)
    output = ModelOutput(*(np.ones(shape, np.float32) for shape in shapes))
    rows = [{"path": "a", "class_name": "x"}]
    known = ReferenceSet(np.ones((1, 3), np.float32), rows, None)
    return Classifier(exported, lambda _: output, known)


def cells(path: str) -> list[str]:
    """Row of an image as a CSV reader parses it."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(
        csv_row(prediction_row(Path(path), PREDICTION, 0, ""), 2)
    )
    text = out.getvalue()
    text.encode()  # UTF-8
    assert text.count("\n") == 1
    for mark in ",;\t":
        (row,) = csv.reader(io.StringIO(text), delimiter=mark)
        assert not any(map(is_formula, row))
    return next(csv.reader([text]))


@pytest.mark.parametrize("name", NAMES)
def test_a_row_is_one_line_without_formulas_and_json_has_the_exact_name(name: str) -> None:
    row = dict(zip(csv_columns(2), cells(name), strict=True))
    assert row["class"] == "x"
    line = json_line(prediction_row(Path(name), PREDICTION, 0, ""), 2)
    line.encode()
    assert "\n" not in line
    assert Path(json.loads(line)["path"]) == Path(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_of_any_name_is_read_and_explained(name: str, folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder / "plain.png")
    (folder / "plain.png").rename(name)
    (folder / "shown").mkdir()
    row, shown = predict_file(
        classifier(), PredictOptions(0, Path("shown")), FileRequest(RawImage(Path(name)), 7)
    )
    Path(row.explanation).write_bytes(shown)
    assert (row.predicted_class, row.reason) == ("x", "")
    (written,) = (folder / "shown").iterdir()
    assert str(written.relative_to(folder)) == row.explanation
    assert row.explanation.isprintable()
    assert list(expand_arguments(["."])) == [Path(name), written.relative_to(folder)]


def test_non_files_are_rejected_without_waiting(folder: Path) -> None:
    os.mkfifo("pipe.png")
    Path("loop").symlink_to("loop")
    Path("zero").symlink_to("/dev/zero")
    for name in ("pipe.png", "loop", "zero", "x" * 5_000, "d/" * 3_000, "a\0b", "/dev/tty", "."):
        (path,) = expand_arguments([name]) if name != "." else [folder]
        for request in (
            FileRequest(RawImage(path), 1),
            load_request_content(FileRequest(RawImage(path), 1)),
        ):
            reason = predict_file(classifier(), PredictOptions(0, None), request).row.reason
            assert reason.startswith(("no", "not"))


def test_a_sparse_file_of_twenty_gigabytes_is_refused_unread(folder: Path) -> None:
    Image.new("RGB", (9, 9)).save("a.webp")
    os.truncate("a.webp", 20 * 2**30)
    for request in (
        FileRequest(RawImage(Path("a.webp")), 1),
        load_request_content(FileRequest(RawImage(Path("a.webp")), 1)),
    ):
        row = predict_file(classifier(), PredictOptions(0, None), request).row
        assert row.reason == "more than 1,073,741,824 bytes"


def test_patterns_do_not_follow_cycles(folder: Path) -> None:
    (folder / "a/.git").mkdir(parents=True)
    for name in ("a/1.png", "a/.git/2.png", "3.png"):
        (folder / name).touch()
    for number in range(3):
        (folder / f"a/l{number}").symlink_to("..")
    assert [str(path) for path in expand_arguments(["**/*.png"])] == ["3.png", "a/1.png"]
    assert list(expand_arguments([f"{folder}/**"])) == [folder / "3.png", folder / "a/1.png"]
    assert list(expand_arguments(["a/.git/*"])) == [Path("a/.git/2.png")]
    assert list(expand_arguments([f"../{folder.name}/a/*.png"])) == [
        Path(f"../{folder.name}/a/1.png")
    ]
    assert list(expand_arguments(["a**"])) == [Path("a**")]
    assert list(expand_arguments(["."])) == [Path("3.png"), Path("a/1.png")]


@pytest.mark.parametrize("argument", [".", "open", "**/*.png", "open/*/*.png", "open/**"])
def test_an_unreadable_folder_is_reported(argument: str, folder: Path) -> None:
    folder.chmod(0o755)  # for the user that `temporarily_unreadable` switches root to
    for name in ("open/closed/1.png", "open/2.png"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    closed = Path("open/closed")
    with temporarily_unreadable(closed):
        found = list(expand_arguments([argument]))
        assert closed in found
        assert count_files([argument]) == len(found)
        for request in (
            FileRequest(RawImage(closed), 1),
            load_request_content(FileRequest(RawImage(closed), 1)),
        ):
            row = predict_file(classifier(), PredictOptions(0, None), request).row
            assert row.reason == UNREADABLE_FOLDER
    assert closed not in list(expand_arguments([argument]))


@pytest.mark.parametrize("name", ["[2024]", "a*b", "what?", "[!x]", "[2024]/[1]"])
def test_a_folder_called_like_a_pattern_is_a_folder(name: str) -> None:
    for folder in (name, "2", "axb", "whatx", "2/1", "y"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        Path(folder, "1.png").touch()
    image = Path(name, "1.png")
    inside = [path for path in expand_arguments([name]) if path.parent == Path(name)]
    assert inside == [image]
    for argument in (f"{name}/1.png", f"{name}/*.png", f"{name}/[1].png"):
        assert list(expand_arguments([argument])) == [image]
    assert list(expand_arguments([f"{name}/none.png"])) == [Path(name, "none.png")]


@pytest.mark.parametrize("rest", [b"", b"\n", b"\nb.png", b"\r\nb.png\r\n"])
def test_a_list_may_begin_with_a_byte_order_mark(
    rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("list").write_bytes(b"\xef\xbb\xbfa.png" + rest)
    for arriving in (1, 2, 2**16):
        monkeypatch.setattr(input_files, "READ_BYTES", arriving)
        with Path("list").open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            found = [str(path) for batch in argument_batches(["-"]) for path in batch]
        assert found == ["a.png", "b.png"][: 1 + (b"b" in rest)]


def test_a_list_of_anything_is_a_list_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("list").write_bytes(b"\xff.png\n$(touch mark)\n`touch mark`\n-x\n--help\na;touch mark\n")
    with Path("list").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = [os.fsencode(path) for batch in argument_batches(["-"]) for path in batch]
    assert found == Path("list").read_bytes().splitlines()
    assert not Path("mark").exists()


def test_unencodable_characters_are_escaped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, "ascii"))
    escape_unencodable_output()
    with open_row_writer("csv", 1) as put:
        put(rejected_row(Path("\N{FISH}.png"), "no such file"))
    assert out.getvalue().splitlines()[1].startswith(b"\\U0001f41f.png,")


@pytest.mark.parametrize(
    "name", ["../../x.png", "/etc/passwd", "<img src=x onerror=alert(1)>", *NAMES]
)
def test_an_upload_s_name_is_returned_and_never_a_path(name: str, folder: Path) -> None:
    name = name.encode(errors="replace").decode()  # as Starlette decodes it
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, "PNG")
    for content in (out.getvalue(), b"no image"):
        result = responses.predict_upload(classifier(), Upload(name, content), 2, True)
        assert json.loads(result.json_text)["name"] == name
    assert not list(folder.iterdir())


@pytest.mark.parametrize("name", ["=1+1", "-1", "+1", "@x", "x;=1", "x; -1", "\uff1d1"])
def test_no_class_name_in_a_row_is_a_formula_and_json_has_the_exact_name(name: str) -> None:
    prediction = PREDICTION._replace(classes=[(name, 0.7), (f"a{name}", 0.3)])
    row = csv_row(prediction_row(Path("a.png"), prediction, 0, ""), 2)
    assert not formula_cells(",".join(f'"{cell}"' for cell in row))
    line = json.loads(json_line(prediction_row(Path("a.png"), prediction, 0, ""), 2))
    assert line["class"] == name
