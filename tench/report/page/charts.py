"""Charts of the report, drawn with matplotlib as SVG for light and dark pages."""

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.figure import Figure

INK_COLOR = "#010203"  # placeholder, replaced by the page's text color
TRAIN_COLOR, VAL_COLOR = "#c2620a", "#2f7fb8"  # readable on white and on near-black
MODEL_COLORS = {"frozen": TRAIN_COLOR, "finetuned": VAL_COLOR}
CHART_STYLE: Any = {
    "svg.fonttype": "none",  # keeps text searchable and readable by screen readers
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
    """Render a figure as a scalable <svg> element with `description` as its accessible label."""
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(INK_COLOR, "currentColor")
    label = Markup('<svg role="img" aria-label="{}"').format(description)
    return label + Markup(text.removeprefix("<svg"))


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """Create a figure of `width` x `height` inches with one set of axes."""
    figure = Figure((width, height), layout="constrained")
    return figure, figure.add_subplot()


def learning_curve_chart(
    name: str, epochs: Sequence[int], train: Sequence[float], val: Sequence[float], before: int
) -> Markup:
    """Plot a metric on training and validation images per epoch (figures 11 and 12).

    Args:
        name: Name of the metric.
        epochs: Epoch numbers.
        train: Metric on the training images, one value per epoch.
        val: Metric on the validation images, one value per epoch.
        before: Number of epochs before fine-tuning, or 0 without fine-tuning.
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
        description = (
            f"{name} on training and validation images over {len(epochs)} epochs; "
            f"final values {train[-1]:.3f} and {val[-1]:.3f}"
        )
        return render_svg(figure, description)


def reliability_chart(bins: dict[str, list[dict[str, str]]]) -> Markup:
    """Plot a reliability diagram: accuracy against confidence, one point per bin.

    Args:
        bins: Rows of metrics/calibration/*.csv, by model. Bins with more images get larger points.
    """
    with mpl.rc_context(CHART_STYLE):
        figure, axes = new_figure(4.6, 4.2)
        axes.plot([0, 1], [0, 1], ":", color=INK_COLOR, alpha=0.5, label="perfectly calibrated")
        for model, color in MODEL_COLORS.items():
            x, y = ([float(row[key]) for row in bins[model]] for key in ("confidence", "accuracy"))
            counts = [int(row["images"]) for row in bins[model]]
            sizes = [12 + 120 * count / max(counts) for count in counts]
            axes.plot(x, y, "-", color=color, alpha=0.6)
            axes.scatter(x, y, sizes, color=color, label=model.replace("finetuned", "fine-tuned"))
        axes.set(xlabel="confidence (probability of the predicted class)", ylabel="accuracy")
        axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.05))
        axes.grid(visible=True, color=INK_COLOR, alpha=0.12)
        axes.legend(loc="lower right", markerscale=0.7)
        return render_svg(figure, "Reliability diagram of both models: accuracy against confidence")
