"""Check that dvc.lock belongs to this dvc.yaml, params.yaml, packages.yaml and code, and that the
metrics are those it names. Needs no data, cache or remote: what is not in git is taken as dvc.lock
has it.
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
        print(f"dvc.lock is what `dvc repro` leaves of this commit: {stages} stages")


if __name__ == "__main__":
    main()
