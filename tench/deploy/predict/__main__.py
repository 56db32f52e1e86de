"""Name images with an exported classifier.

Each image is read and resized as the training images were, and gets a row: its class, the
probability, and a doubt: `unsure` where the confidence is lower than validation allows, `stranger`
where no training image is near, `undecided` below --min-confidence. What cannot be read gets a
reason. Nothing but the model folder is needed, which may be copied anywhere.
"""

import argparse
import sys
from pathlib import Path

from tench.core.errors import TenchError
from tench.deploy.runtime.export_folder import RUNTIMES
from tench.run.options import add_classifier_options, number_in_range
from tench.run.process_setup import pin_cpu_kernels
from tench.run.silence import escape_unencodable_output, ignore_closed_pipe


def parse_args() -> argparse.Namespace:
    """The command line."""
    about = sys.modules[__name__].__doc__ or ""
    parser = argparse.ArgumentParser(
        prog="python -m tench.predict",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("images", nargs="+", metavar="IMAGES", help="files, folders, patterns, or - for a list")
    add_classifier_options(parser, RUNTIMES)
    add("--format", choices=("csv", "json"), default="csv", help="csv, or json: an object a line")
    add("--top", type=int, default=3, metavar="N", help="how many classes to list (%(default)s)")
    share = number_in_range(float, 0, 1)
    add("--min-confidence", type=share, default=0, metavar="P", help="leave the rest undecided")
    add("--explain", type=Path, metavar="FOLDER", help="write Grad-CAM images there")
    return parser.parse_args()


def run(chosen: argparse.Namespace) -> None:
    """Write the rows, and what could not be read. Exits with 1 if that was all, or a folder."""
    from tench.deploy.predict.command import predict_files

    try:
        files, lost, closed = predict_files(chosen)
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
        sys.exit("error: no image was read" if files else "error: no image there")
    if closed:
        sys.exit(f"error: folders that could not be read: {closed}; allow it, and run this again")


def main() -> None:
    chosen = parse_args()
    escape_unencodable_output()
    pin_cpu_kernels()  # before NumPy is imported: its own threads would be in the way of ours
    with ignore_closed_pipe():
        run(chosen)


if __name__ == "__main__":
    main()
