"""A whole run of the pipeline writes nothing into the home folder."""

from pathlib import Path

import pytest
from home_folder import isolate_home, list_tree
from pipeline_clones import run_base_pipeline


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, where libraries write by default."""
    return isolate_home(tmp_path, monkeypatch)


def test_a_whole_run_writes_nothing_into_the_home(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    run_base_pipeline(folder)
    assert list_tree(home) == []
