"""One module per DVC stage, run as `python -m stages.NAME` in the project's root."""

import importlib.util
import sys

from tench.run.process_setup import limit_malloc_arenas, pin_cpu_kernels

if importlib.util.find_spec("tensorflow") is None:
    sys.exit(
        f"error: Tench's packages are not installed in this Python ({sys.executable}): run "
        "`make setup` once, then `source .venv/bin/activate` in every new terminal"
    )
pin_cpu_kernels()
limit_malloc_arenas()
