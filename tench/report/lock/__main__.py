"""Check that dvc.lock matches dvc.yaml, params.yaml, packages.yaml, the code and the metrics.

Needs no data, cache or remote. Files outside git are assumed to match dvc.lock.
"""

import argparse
import sys

from tench.core.errors import TenchError
from tench.run.silence import ignore_closed_pipe


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m tench.report.lock",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    from tench.report.lock.check import check_lock

    try:
        stages = check_lock()
    except TenchError as error:
        sys.exit(f"error: {error}")
    with ignore_closed_pipe():
        print(f"dvc.lock matches this commit: {stages} stages checked")


if __name__ == "__main__":
    main()
