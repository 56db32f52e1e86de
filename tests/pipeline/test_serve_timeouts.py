"""Stuck server processes: a request gets a 503, and the process is replaced."""

from pathlib import Path

import pytest
from pipeline_clones import FinishedRun
from server_processes import check_killed_start_is_reported, check_stuck_process_is_replaced


@pytest.mark.parametrize(("count", "extra"), [(1, 0)])
def test_a_stuck_process_is_replaced(
    base: FinishedRun, tmp_path: Path, fish: bytes, count: int, extra: int
) -> None:
    check_stuck_process_is_replaced(base.folder / "models/export", tmp_path, fish, count, extra)


@pytest.mark.parametrize("name", ["SIGKILL"])
def test_a_process_killed_while_starting_is_told_in_a_line(base: FinishedRun, name: str) -> None:
    check_killed_start_is_reported(base.folder / "models/export", name)
