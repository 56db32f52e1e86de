"""Serve an exported classifier: a page to drop pictures on, and POST /predict for programs.

Only this machine can reach it unless --host says otherwise (0.0.0.0: every machine in the
network). It needs no TensorFlow and no training pictures, only the export's folder. Nothing of a
picture is kept or logged.
"""

import argparse
import sys
from pathlib import Path

from tench.core.arithmetic import fix_arithmetic
from tench.core.errors import TenchError
from tench.core.paths import EXPORT
from tench.exported.folder import RUNTIMES


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tench.serve",
        description=sys.modules[__name__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--model", type=Path, default=EXPORT, help="folder of the export (%(default)s)")
    add("--runtime", choices=RUNTIMES, default="float32", help="which of its models (%(default)s)")
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    add("--port", type=int, default=8000, help="(%(default)s)")
    return parser.parse_args()


def main() -> None:
    chosen = parsed()
    fix_arithmetic()  # before NumPy is imported: its own threads would be in the way of ours
    from tench.serve.server import serve

    try:
        serve(chosen.model, chosen.runtime, chosen.host, chosen.port)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
