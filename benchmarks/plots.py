"""Plots side by side, as an SVG file that is the same for the same figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure


@contextmanager
def two_plots(out: Path) -> Iterator[tuple[Axes, Axes]]:
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
