"""metrics/costs.json: the cost of each stage's last run."""

import subprocess
import sys
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT

from tench.core.paths import COSTS
from tench.run.costs import read_costs, write_cost


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)


def test_the_last_run_of_every_stage_is_recorded() -> None:
    write_cost("finetune", {"models/b": "2", "models/a": "1"}, 52.13, 943.4)
    write_cost("embed", {"data/features": "3"}, 37.0, 900)
    write_cost("finetune", {"models/b": "4", "models/a": "1"}, 60.0, 950)
    finetune = {"seconds": 60.0, "peak_mb": 950, "outs": [["models/a", "1"], ["models/b", "4"]]}
    embed = {"seconds": 37.0, "peak_mb": 900, "outs": [["data/features", "3"]]}
    assert read_costs() == {"embed": embed, "finetune": finetune}
    assert list(read_costs()) == ["embed", "finetune"]  # sorted, whatever the order of runs


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"<<<<<<< HEAD\n{}"])
def test_an_unreadable_file_is_replaced(content: bytes) -> None:
    COSTS.parent.mkdir()
    COSTS.write_bytes(content)
    assert read_costs() == {}
    write_cost("embed", {}, 1, 2)
    assert list(read_costs()) == ["embed"]


def test_stages_that_finish_at_once_lose_no_costs() -> None:
    code = (
        "import sys; from tench.run.costs import write_cost\n"
        "for number in range(200): write_cost(f'{sys.argv[1]}-{number}', {}, 1, 2)"
    )
    environment = {"PYTHONPATH": str(CHECKOUT)}
    running = [
        subprocess.Popen([sys.executable, "-c", code, name], env=environment) for name in "ab"
    ]
    assert [one.wait() for one in running] == [0, 0]
    assert set(read_costs()) == {f"{name}-{number}" for name in "ab" for number in range(200)}
