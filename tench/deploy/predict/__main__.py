"""Predict the class of images with an exported classifier.

Writes one row per image: its class, the probability, and a flag if the prediction is unreliable:

  low_confidence       the probability is below the threshold found on validation images
  out_of_distribution  no training image is similar
  undecided            the probability is below --min-confidence

Images are decoded and resized as for training. Files that cannot be read get a row with the reason.
The command needs only the export folder, which may be copied anywhere.
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
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tench.predict",
        description=sys.modules[__name__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="files, folders or patterns such as 'a/**/*.jpg'; - reads paths from standard input",
    )
    add_classifier_options(parser, RUNTIMES)
    add(
        "--format",
        choices=("csv", "json"),
        default="csv",
        help="csv, or json: one object per line (default: %(default)s)",
    )
    add("--top", type=int, default=3, metavar="N", help="classes per image (default: %(default)s)")
    add(
        "--min-confidence",
        type=number_in_range(float, 0, 1),
        default=0,
        metavar="P",
        help="leave images with a lower probability undecided (default: %(default)s)",
    )
    add("--explain", type=Path, metavar="FOLDER", help="write a Grad-CAM image per image to FOLDER")
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    """Write the rows, and a summary of unreadable files to standard error.

    Exits with status 1 if no image or not every folder could be read.
    """
    from tench.deploy.predict.command import predict_files

    try:
        files, unreadable, folders = predict_files(args)
    except TenchError as error:
        sys.exit(f"error: {error}")
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.exit(f"error: {error.filename or 'standard output'}: {(error.strerror or '').lower()}")
    except KeyboardInterrupt:
        sys.exit(130)
    if unreadable:
        print(
            f"{unreadable} of {files} files could not be read; see the column reason",
            file=sys.stderr,
        )
    if unreadable == files:
        sys.exit("error: no image could be read" if files else "error: no images found")
    if folders:
        sys.exit(f"error: folders that could not be read: {folders}. Make them readable and retry")


def main() -> None:
    args = parse_args()
    escape_unencodable_output()
    pin_cpu_kernels()  # before the import of NumPy, whose threads would compete for the cores
    with ignore_closed_pipe():
        run(args)


if __name__ == "__main__":
    main()
