"""raw: the folder that data.raw names is there, or will be; else three ways on."""

import os
from pathlib import Path

import pytest

from stages.raw import check_raw_folder
from tench.core.errors import TenchError
from tench.data.ingest.layouts import LAYOUT_HELP


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)


def test_missing_raw_folder_is_reported_with_three_options() -> None:
    with pytest.raises(TenchError) as caught:
        check_raw_folder("data/mine")
    said = str(caught.value)
    assert said.startswith("params.yaml: data.raw = data/mine: no such folder")
    assert all(way in said for way in ("1. ", "2. ", "3. ", "data/imagenette", "data/sample"))
    assert said.endswith(LAYOUT_HELP)


def test_file_is_no_raw_folder() -> None:
    Path("mine").touch()
    with pytest.raises(
        TenchError, match=r"data\.raw = mine: a file, not a folder; an archive must be"
    ):
        check_raw_folder("mine")


@pytest.mark.parametrize("raw", ["mine", "data/sample", "data/imagenette", "./data/sample/"])
def test_raw_folder_is_there_or_made_by_a_stage(raw: str) -> None:
    Path("mine").mkdir()
    check_raw_folder(raw)


@pytest.mark.parametrize("raw", ["mine", "data/imagenette"])
def test_unreadable_files_are_reported_before_dvc_reads_them(raw: str) -> None:
    (Path(raw) / "a").mkdir(parents=True)
    os.mkfifo(Path(raw) / "a/pipe")
    with pytest.raises(TenchError, match=f"{raw}/a/pipe: a pipe, not a file"):
        check_raw_folder(raw)
