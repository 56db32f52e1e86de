"""Plots side by side, as an SVG file that is the same for the same figures."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tench.core.files import read_csv


def read_result_rows(description: str | None, writer: str) -> tuple[list[dict[str, str]], Path]:
    """What the command line names: the rows of a CSV file that `writer` wrote, and the plot."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help=f"what {writer} wrote")
    parser.add_argument("out", type=Path, help="the plot, an SVG file")
    options = parser.parse_args()
    return read_csv(options.results), options.out


@contextmanager
def side_by_side_axes(out: Path) -> Iterator[tuple[Axes, Axes]]:
    """Two axes to draw on, side by side; then they are written to `out`."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tench", "font.size": 10}):
        figure = Figure((9, 3.6), layout="constrained")
        left, right = (figure.add_subplot(1, 2, place) for place in (1, 2))
        yield left, right
        for axes in (left, right):
            axes.grid(visible=True, alpha=0.2)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        figure.savefig(out, metadata={"Date": None}, facecolor="white")
