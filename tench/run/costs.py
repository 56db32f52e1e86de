"""What the stages' last runs cost, in metrics/costs.json: small enough for git, unlike the records,
so that an experiment carries it along. DVC does not know of it: it differs between equal runs."""

import fcntl
import json
from collections.abc import Mapping
from typing import Any

from tench.core.files import read_json, write_json
from tench.core.paths import COSTS, RESUME_DIR


def read_costs() -> dict[str, Any]:
    """What the file holds; nothing where it cannot be read: a figure that is only told must not
    keep anybody from the results."""
    try:
        content = read_json(COSTS)
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def write_cost(stage: str, digests: Mapping[str, str], seconds: float, peak_mb: float) -> None:
    """Write what the last run of `stage` cost. OSError.

    Args:
        stage: as dvc.yaml names it.
        digests: of the outputs it wrote, by path, as dvc.lock has them: the figures count where
            they agree, and nowhere else. They are a list of pairs, which DVC takes for no metric.
        seconds, peak_mb: of the run.
    """
    entry = {
        "seconds": round(seconds, 1),
        "peak_mb": round(peak_mb),
        "outs": sorted(digests.items()),
    }
    RESUME_DIR.mkdir(parents=True, exist_ok=True)
    # two stages may end at once: the second must read what the first writes
    with (RESUME_DIR / "costs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file is closed
        write_json(dict(sorted({**read_costs(), stage: entry}.items())), COSTS)
