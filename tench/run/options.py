"""Command-line options shared by several commands."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from tench.core.paths import EXPORT

Number = TypeVar("Number", int, float)


def number_in_range(kind: type[Number], lowest: Number, highest: Number) -> Callable[[str], Number]:
    """An argparse type: a number from `lowest` to `highest`."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = highest + 1
        if not lowest <= value <= highest:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text}: not {what} from {lowest} to {highest}")
        return value

    return parse


def add_classifier_options(parser: argparse.ArgumentParser, runtimes: Sequence[str]) -> None:
    """Add --model and --runtime; the first runtime is the default."""
    add = parser.add_argument
    add("--model", type=Path, default=EXPORT, help="exported classifier, a folder (%(default)s)")
    help_text = "exported model to run (%(default)s)"
    add("--runtime", choices=runtimes, default=runtimes[0], help=help_text)
