"""Seconds and peak memory of each stage's last run, in metrics/costs.json.

The file is small enough for git, so experiments carry it along. It is no DVC output, since it
differs between equal runs.
"""

import fcntl
import json
from collections.abc import Mapping
from typing import Any

from tench.core.files import read_json, write_json
from tench.core.paths import COSTS, RESUME_DIR


def read_costs() -> dict[str, Any]:
    """The content of metrics/costs.json; {} if it cannot be read, since costs are optional."""
    try:
        content = read_json(COSTS)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write_cost(stage: str, digests: Mapping[str, str], seconds: float, peak_mb: float) -> None:
    """Add the cost of the last run of `stage` to metrics/costs.json.

    Args:
        stage: its name in dvc.yaml.
        digests: of its outputs, by path, as in dvc.lock. The cost is valid for these outputs only.
            Written as a list of pairs, which DVC does not read as metrics.
        seconds: wall-clock time.
        peak_mb: peak memory, MB.

    Raises:
        OSError: the file cannot be written.
    """
    entry = {
        "seconds": round(seconds, 1),
        "peak_mb": round(peak_mb),
        "outs": sorted(digests.items()),
    }
    RESUME_DIR.mkdir(parents=True, exist_ok=True)
    # two stages may finish at once: read and write under one lock
    with (RESUME_DIR / "costs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released on close
        write_json(dict(sorted({**read_costs(), stage: entry}.items())), COSTS)
