"""Options that several commands have, and numbers that have a range."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tench.core.paths import EXPORT

Number = TypeVar("Number", int, float)


def number_in_range(kind: type[Number], least: Number, most: Number) -> Callable[[str], Number]:
    """A `type` for argparse: a number from `least` to `most`, whose error tells the range."""

    def parsed(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = most + 1
        if not least <= value <= most:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text}: not {what} from {least} to {most}")
        return value

    return parsed


def add_classifier_options(parser: argparse.ArgumentParser, runtimes: Sequence[str]) -> None:
    """Add --model and --runtime; the first of the runtimes is the default."""
    add = parser.add_argument
    add("--model", type=Path, default=EXPORT, help="folder of the export (%(default)s)")
    text = "which of its models (%(default)s)"
    add("--runtime", choices=runtimes, default=runtimes[0], help=text)
