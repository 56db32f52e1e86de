"""Figure 10 of the paper: the model's summary, as a picture."""

import math
from html import escape
from typing import Any

LINE = 18  # pixels from one line of text to the next
CHARACTER = 7.9  # pixels a character of the monospaced font takes
FONT = "font-family='ui-monospace, Menlo, Consolas, monospace' font-size='13'"


def summary_lines(model: Any) -> list[str]:
    """Layer and type, output shape and number of parameters of every layer, then the totals."""
    rows = [("Layer (type)", "Output shape", "Param #")]
    for layer in model.layers:
        rows.append(
            (
                f"{layer.name} ({type(layer).__name__})",
                str(layer.output.shape),
                f"{layer.count_params():,}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [f"{a:{widths[0]}}  {b:{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "-" * len(table[0])
    learned = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    fixed = model.count_params() - learned
    totals = [
        f"Total params: {model.count_params():,}",
        f"Trainable in fine-tuning: {learned:,}",
        f"Frozen: {fixed:,}",
    ]
    return [table[0], rule, *table[1:], rule, *totals]


def summary_svg(model: Any) -> str:
    """The summary as an SVG image in black on white."""
    lines = summary_lines(model)
    wide = round(max(map(len, lines)) * CHARACTER) + 40
    high = len(lines) * LINE + 40
    texts = "\n".join(
        f"<text x='20' y='{34 + number * LINE}' xml:space='preserve'>{escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{wide}' height='{high}' {FONT}>\n"
        f"<rect width='100%' height='100%' fill='white'/>\n{texts}\n</svg>\n"
    )
