"""Name pictures with an exported classifier.

Each picture is read and resized as the training pictures were, and gets a row: its class, the
probability, and a doubt: `unsure` where the confidence is lower than validation allows, `stranger`
where no training picture is near, `undecided` below --min-confidence. What cannot be read gets a
reason. Nothing but the model folder is needed, which may be copied anywhere.
"""

import argparse
import sys
from pathlib import Path

from tench.console.options import add_classifier, number
from tench.console.silence import escape_output, ignore_closed_pipe
from tench.core.arithmetic import fix_arithmetic
from tench.core.errors import TenchError
from tench.exported.folder import RUNTIMES


def parsed() -> argparse.Namespace:
    """The command line."""
    about = sys.modules[__name__].__doc__ or ""
    parser = argparse.ArgumentParser(
        prog="python -m tench.predict",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("pictures", nargs="+", metavar="PICTURES", help="files, folders, patterns, or - for a list")
    add_classifier(parser, RUNTIMES)
    add("--format", choices=("csv", "json"), default="csv", help="csv, or json: an object a line")
    add("--top", type=int, default=3, metavar="N", help="how many classes to list (%(default)s)")
    share = number(float, 0, 1)
    add("--min-confidence", type=share, default=0, metavar="P", help="leave the rest undecided")
    add("--explain", type=Path, metavar="FOLDER", help="write Grad-CAM pictures there")
    return parser.parse_args()


def run(chosen: argparse.Namespace) -> None:
    """Write the rows, and what could not be read. Exits with 1 if that was all, or a folder."""
    from tench.predict.command import predict

    try:
        files, lost, closed = predict(chosen)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.exit(f"error: {error.filename or 'standard output'}: {(error.strerror or '').lower()}")
    except KeyboardInterrupt:
        sys.exit(130)
    if lost:
        print(
            f"{lost} of {files} files could not be read; the last column says why", file=sys.stderr
        )
    if lost == files:
        sys.exit("error: no picture was read" if files else "error: no picture there")
    if closed:
        sys.exit(f"error: folders that could not be read: {closed}; allow it, and run this again")


def main() -> None:
    chosen = parsed()
    escape_output()
    fix_arithmetic()  # before NumPy is imported: its own threads would be in the way of ours
    with ignore_closed_pipe():
        run(chosen)


if __name__ == "__main__":
    main()
