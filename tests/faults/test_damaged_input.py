"""A stage stops at a damaged input before it writes anything."""

import sys
from pathlib import Path

from file_damage import temporarily_damaged
from pipeline_clones import error_line, run_command

from tench.core.paths import HEAD, SCORES

AGAIN = "then run `dvc repro` again"


def test_a_stage_stops_before_it_writes_anything(unchanged: Path) -> None:
    scores = (unchanged / SCORES).read_bytes()
    with temporarily_damaged(unchanged / HEAD, "a flipped bit"):
        answer = run_command(unchanged, sys.executable, "-m", "stages.evaluate")
    assert answer.returncode == 1
    assert error_line(answer.stdout) == (
        f"error: {HEAD}: not what the stage extract-train wrote: delete it, {AGAIN}. If the change "
        f"is meant, `dvc commit -f {HEAD}` keeps it"
    )
    assert (unchanged / SCORES).read_bytes() == scores
    assert len(answer.stdout.splitlines()) == 1  # TensorFlow was not even loaded
