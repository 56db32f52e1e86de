"""python -m tench.predict: its files, rows and errors."""

import csv
import json
import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from threading import Timer

import numpy as np
import pytest
from pipeline_clones import CHECKOUT, FinishedRun, error_line, run_command

from tench.deploy.predict import __main__, command
from tench.deploy.predict.command import Counts
from tench.deploy.predict.input_files import argument_batches, count_files, expand_arguments
from tench.deploy.predict.output_rows import (
    csv_columns,
    csv_row,
    json_line,
    prediction_row,
    rejected_row,
)
from tench.deploy.runtime.neighbors import Neighbor
from tench.deploy.runtime.predictor import Prediction

NEAR = [Neighbor(3, "a.jpg", "fish", 0.25)]
CLASSES = [("fish", 0.7), ("dog", 0.2), ("radio", 0.1)]
IMAGE = np.zeros((4, 4, 3), np.uint8)
PREDICTION = Prediction(CLASSES, NEAR, "", IMAGE, np.zeros((2, 2), np.float32))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b/2.jpg", "b/1.png", "a/deep/3.jpg", "a/.hidden.jpg", ".git/4.jpg", "z.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["."], ["z.jpg", "a/deep/3.jpg", "b/1.png", "b/2.jpg"]),
        (["b", "z.jpg"], ["b/1.png", "b/2.jpg", "z.jpg"]),
        (["**/*.jpg"], ["a/deep/3.jpg", "b/2.jpg", "z.jpg"]),
        (["b*"], ["b*"]),  # matches a folder alone
        (["none.jpg", "no*"], ["none.jpg", "no*"]),
        (["a/.hidden.jpg"], ["a/.hidden.jpg"]),  # by its name
    ],
)
def test_files_are_found_in_order(folder: Path, arguments: list[str], expected: list[str]) -> None:
    found = [path.as_posix() for path in expand_arguments(arguments)]
    assert found == [name for name in expected if name != "b*"]
    assert count_files(arguments) == len(found)


def test_a_list_is_read_as_it_comes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list_ = folder / ".list"
    list_.write_bytes(b"z.jpg\n\nb\r\na name with blanks .jpg\nno end.jpg")
    with list_.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = [
            path.as_posix() for batch in argument_batches(["b", "-", "z.jpg"]) for path in batch
        ]
    listed = ["z.jpg", "b/1.png", "b/2.jpg", "a name with blanks .jpg", "no end.jpg"]
    assert found == ["b/1.png", "b/2.jpg", *listed, "z.jpg"]
    assert count_files(["-"]) is None


def as_csv(row: list[str]) -> dict[str, str]:
    return dict(zip(csv_columns(2), row, strict=True))


def test_a_row_of_csv() -> None:
    row = as_csv(csv_row(prediction_row(Path("a.jpg"), PREDICTION, 0, "x.jpg"), 2))
    assert row == {
        "path": "a.jpg",
        "class": "fish",
        "probability": "0.700000",
        "flag": "",
        "distance": "0.250000",
        "class_1": "fish",
        "probability_1": "0.700000",
        "class_2": "dog",
        "probability_2": "0.200000",
        "explanation": "x.jpg",
        "reason": "",
    }


def test_below_the_minimum_confidence_images_are_undecided() -> None:
    undecided = prediction_row(Path("a.jpg"), PREDICTION, 0.71, "")
    row = as_csv(csv_row(undecided, 2))
    assert (row["class"], row["flag"], row["class_1"]) == ("", "undecided", "fish")
    content = json.loads(json_line(undecided, 2))
    assert content["class"] is None
    assert content["classes"][0] == {"class": "fish", "probability": 0.7}
    assert prediction_row(Path("a.jpg"), PREDICTION, 0.7, "").flag == ""


def test_unreadable_files_have_a_reason_in_a_row_of_the_same_length() -> None:
    row = rejected_row(Path("a.jpg"), "the file is empty")
    assert as_csv(csv_row(row, 2))["reason"] == "the file is empty"
    assert json.loads(json_line(row, 2))["class"] is None


@pytest.mark.parametrize("name", ["=1+1.jpg", "+a.jpg", "-b.jpg", "@c.jpg"])
def test_no_path_is_a_formula(name: str) -> None:
    assert rejected_row(Path(name), "").path == f"./{name}"


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        (Counts(9, 0, 0), None),
        (Counts(9, 1, 0), None),
        (Counts(9, 9, 0), "error: no image could be read"),
        (Counts(0, 0, 0), "error: no images found"),
        (
            Counts(9, 2, 1),
            "error: folders that could not be read: 1. Make them readable and retry",
        ),
        (Counts(1, 1, 1), "error: no image could be read"),
    ],
)
def test_an_unreadable_folder_is_an_error(
    counts: Counts, error: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "predict_files", lambda chosen: counts)
    if error is None:
        __main__.run(Namespace())
        return
    with pytest.raises(SystemExit) as caught:
        __main__.run(Namespace())
    assert caught.value.code == error


def predict(base: FinishedRun, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_command(base.folder, sys.executable, "-m", "tench.predict", *arguments)


def test_a_folder_is_predicted_with_explanations(finished_run: FinishedRun, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    files = finished_run.folder / "data/sample/val/n01440764"
    result = predict(finished_run, str(files), str(CHECKOUT / "README.md"), "--explain", str(shown))
    assert result.returncode == 0
    lines = [line for line in result.stdout.splitlines() if "," in line]
    rows = list(csv.DictReader(lines))
    assert [row["class"] for row in rows[:-1]] == ["fish"] * (len(rows) - 1)
    assert "not an image in any of" in rows[-1]["reason"]
    assert "1 of 21 files could not be read" in result.stdout
    written = {row["explanation"] for row in rows[:-1]}
    assert written == {str(file) for file in shown.iterdir()}
    assert len(written) == 20
    assert next(iter(shown.iterdir())).read_bytes().startswith(b"\xff\xd8")


def test_a_path_in_a_pipe_is_answered_before_the_next_one_comes(finished_run: FinishedRun) -> None:
    command = (sys.executable, "-m", "tench.predict", "-", "--format", "json")
    files = sorted((finished_run.folder / "data/sample/val/n01440764").iterdir())[:2]
    with subprocess.Popen(
        command, cwd=finished_run.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        end = Timer(60, process.kill)
        end.start()
        assert process.stdin
        assert process.stdout
        for file in files:
            print(file, file=process.stdin, flush=True)
            line = process.stdout.readline()
            assert line, "no answer within a minute"
            assert json.loads(line)["path"] == str(file)
        end.cancel()


def test_a_pipe_is_read_and_may_end_early(finished_run: FinishedRun) -> None:
    command = (
        "find data/sample/val -name '*.jpg' | sort | "
        f"{sys.executable} -m tench.predict - --runtime int8 --top 1 | head -3"
    )
    result = run_command(finished_run.folder, "bash", "-c", command)
    assert result.stdout.splitlines()[0].startswith("path,class,probability")
    assert "Traceback" not in result.stdout
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("a.jpg", "--model", "nowhere"), 1, "nowhere: no exported classifier there"),
        (("no.jpg",), 1, "no image could be read"),
        ((".git",), 1, "no image could be read"),
    ],
)
def test_mistakes_give_one_error(
    finished_run: FinishedRun, arguments: tuple[str, ...], code: int, words: str
) -> None:
    result = predict(finished_run, *arguments)
    assert result.returncode == code
    assert words in error_line(result.stdout)
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "required: IMAGES"),
        (("a.jpg", "--min-confidence", "2"), "2: not a number from 0 to 1"),
        (("a.jpg", "--min-confidence", "much"), "much: not a number from 0 to 1"),
        (("a.jpg", "--runtime", "keras"), "'float32', 'int8', 'onnx'"),
    ],
)
def test_wrong_options_give_usage_and_error(
    finished_run: FinishedRun, arguments: tuple[str, ...], words: str
) -> None:
    result = predict(finished_run, *arguments)
    assert result.returncode == 2
    assert "usage: python -m tench.predict" in result.stdout
    assert words in result.stdout


def test_a_pipe_with_a_name_does_not_hang(finished_run: FinishedRun, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    result = predict(finished_run, str(tmp_path / "pipe.jpg"))
    assert "not a file" in result.stdout
