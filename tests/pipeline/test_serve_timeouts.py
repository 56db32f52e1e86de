"""Stuck server processes: a request gets a 503, and the process is replaced."""

from pathlib import Path

import pytest
from pipeline_clones import FinishedRun
from server_processes import check_killed_start_is_reported, check_stuck_process_is_replaced


@pytest.mark.parametrize(("count", "extra"), [(1, 0)])
def test_a_stuck_process_is_replaced(
    finished_run: FinishedRun, tmp_path: Path, sample_image: bytes, count: int, extra: int
) -> None:
    check_stuck_process_is_replaced(
        finished_run.folder / "models/export", tmp_path, sample_image, count, extra
    )


@pytest.mark.parametrize("name", ["SIGKILL"])
def test_a_process_killed_while_starting_is_reported_in_a_line(
    finished_run: FinishedRun, name: str
) -> None:
    check_killed_start_is_reported(finished_run.folder / "models/export", name)
