"""The report's charts, drawn by matplotlib as SVG to stand in a page, light or dark."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

INK_COLOR = "#010203"  # stands for the page's own text color
TRAIN_COLOR, VAL_COLOR = "#c2620a", "#2f7fb8"  # readable on white and on near-black
MODEL_COLORS = {"frozen": TRAIN_COLOR, "finetuned": VAL_COLOR}
CHART_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be read out, searched and copied
    "svg.hashsalt": "tench",  # the same ids in every run
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK_COLOR,
    "axes.edgecolor": INK_COLOR,
    "axes.labelcolor": INK_COLOR,
    "xtick.color": INK_COLOR,
    "ytick.color": INK_COLOR,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}


def render_svg(figure: Figure, description: str) -> Markup:
    """The figure as an <svg> element that scales with the page and is read out as `description`."""
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(INK_COLOR, "currentColor")
    label = Markup('<svg role="img" aria-label="{}"').format(description)
    return label + Markup(text.removeprefix("<svg"))


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of width x height inches with one pair of axes."""
    figure = Figure((width, height), layout="constrained")
    return figure, figure.add_subplot()


def learning_curve_chart(
    name: str, epochs: Sequence[int], train: Sequence[float], val: Sequence[float], before: int
) -> Markup:
    """A metric of training and validation images, epoch by epoch (figures 11 and 12).

    Args:
        name: of the metric.
        epochs: numbers, one a point.
        train: the metric of the training images.
        val: of the validation images.
        before: epochs before fine-tuning; 0 where there is none.
    """
    with mpl.rc_context(CHART_STYLE):
        figure, axes = new_figure(5.2, 3.2)
        axes.plot(epochs, train, "o-", color=TRAIN_COLOR, label="training")
        axes.plot(epochs, val, "s-", color=VAL_COLOR, label="validation")
        if before:
            axes.axvline(before + 0.5, color=INK_COLOR, alpha=0.4, linestyle=":")
            axes.text(
                before + 0.55,
                0.5,
                "fine-tuning →",
                transform=axes.get_xaxis_transform(),
                alpha=0.7,
                fontsize=9,
            )
        axes.set_xticks(epochs if len(epochs) <= 20 else axes.get_xticks())
        axes.set(xlabel="epoch", ylabel=name)
        axes.grid(visible=True, color=INK_COLOR, alpha=0.12)
        axes.legend()
        last = f"{name} of training and validation images in epochs 1 to {len(epochs)}; at the "
        return render_svg(figure, f"{last}end {train[-1]:.3f} and {val[-1]:.3f}")


def reliability_chart(bins: dict[str, list[dict[str, str]]]) -> Markup:
    """The reliability diagram: accuracy against confidence, a point a bin, larger with more
    images. `bins` are the rows of metrics/calibration/, by model."""
    with mpl.rc_context(CHART_STYLE):
        figure, axes = new_figure(4.6, 4.2)
        axes.plot([0, 1], [0, 1], ":", color=INK_COLOR, alpha=0.5, label="perfectly calibrated")
        for model, color in MODEL_COLORS.items():
            x, y = ([float(row[key]) for row in bins[model]] for key in ("confidence", "accuracy"))
            counts = [int(row["images"]) for row in bins[model]]
            sizes = [12 + 120 * count / max(counts) for count in counts]
            axes.plot(x, y, "-", color=color, alpha=0.6)
            axes.scatter(x, y, sizes, color=color, label=model.replace("finetuned", "fine-tuned"))
        axes.set(xlabel="confidence (probability of the prediction)", ylabel="accuracy")
        axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.05))
        axes.grid(visible=True, color=INK_COLOR, alpha=0.12)
        axes.legend(loc="lower right", markerscale=0.7)
        return render_svg(figure, "Reliability diagram: accuracy against confidence of both models")
