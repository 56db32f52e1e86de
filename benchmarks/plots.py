"""Side-by-side plots as reproducible SVG files."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tench.core.files import read_csv


def read_result_rows(description: str | None, writer: str) -> tuple[list[dict[str, str]], Path]:
    """Parse the command line. Returns the rows of `writer`'s CSV file and the path of the plot."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help=f"CSV file of {writer}")
    parser.add_argument("out", type=Path, help="SVG file of the plot")
    options = parser.parse_args()
    return read_csv(options.results), options.out


@contextmanager
def side_by_side_axes(out: Path) -> Iterator[tuple[Axes, Axes]]:
    """Yield two axes side by side, then write the figure to `out`."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "tench", "font.size": 10}):
        figure = Figure((9, 3.6), layout="constrained")
        left, right = (figure.add_subplot(1, 2, column) for column in (1, 2))
        yield left, right
        for axes in (left, right):
            axes.grid(visible=True, alpha=0.2)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
        figure.savefig(out, metadata={"Date": None}, facecolor="white")
