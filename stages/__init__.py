"""One module per DVC stage, run as `python -m stages.NAME` from the project's root."""

import importlib.util
import sys

from tench.core.arithmetic import fix_arithmetic
from tench.core.memory import share_one_heap

if importlib.util.find_spec("tensorflow") is None:
    sys.exit(
        f"error: Tench's packages are missing from this Python ({sys.executable}): "
        "run `make setup` once, then `source .venv/bin/activate` in every new terminal"
    )
fix_arithmetic()
share_one_heap()
