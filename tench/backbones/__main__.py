"""List the backbones that backbone.name may have, or where one of them can be cut.

A cut is a layer that a single tensor enters, and so a place to store activations (backbone.tap_at).
Training may begin at any layer (finetune.fine_tune_at), there or behind it at little cost.
"""

import argparse
import sys
from collections.abc import Sequence

from tench.console.silence import ignore_closed_pipe
from tench.core.backbones import BACKBONES

NUMBER = 4  # bytes, float32
SMALLEST, LARGEST = 32, 512  # data.image_size


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as text in columns, the first set to the left and the rest to the right."""
    first, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(wide) for cell, wide in zip(cells, rest, strict=True))
        lines.append("  ".join([name.ljust(first), *numbers]).rstrip())
    return "\n".join(lines)


def listed() -> str:
    """All backbones, a line each."""
    rows: list[tuple[str, ...]] = [
        ("name", "parameters", "layers", "channels", "trained at", "tap_at: auto")
    ]
    for name, known in BACKBONES.items():
        numbers = (known.parameters, known.layers, known.features, known.size, known.tap)
        rows.append((name, *(f"{number:,}" for number in numbers)))
    return table(rows)


def cuts_of(name: str, image_size: int) -> str:
    """All cuts of a backbone for pictures of a size, a line each."""
    from tench.network.backbone import build_backbone, cuts, size, tapped_cut

    backbone = build_backbone(name, image_size)
    auto, names = tapped_cut(backbone, "auto"), [layer.name for layer in backbone.layers]
    rows = [("layer", "number", "enters it", "kB a picture", "")]
    for cut, tensor in cuts(backbone).items():
        shape = " x ".join(map(str, tensor.shape[1:]))
        stored = f"{size(tensor) * NUMBER / 1000:,.0f}"
        name_of = [*names, "(behind the last: the head alone)"][cut]
        rows.append((name_of, str(cut), shape, stored, "auto" if cut == auto else ""))
    return table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.backbones",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="list the cuts of this one")
    parser.add_argument(
        "--image-size", type=int, metavar="PIXELS", help="a side; default: what it was trained at"
    )
    given = parser.parse_args()
    if given.name is None:
        with ignore_closed_pipe():
            print(listed())
        return
    if given.name not in BACKBONES:
        sys.exit(f"error: {given.name}: must be one of {', '.join(BACKBONES)}")
    image_size = given.image_size or BACKBONES[given.name].size
    if not SMALLEST <= image_size <= LARGEST:
        sys.exit(f"error: --image-size {image_size}: must be {SMALLEST} to {LARGEST}")
    with ignore_closed_pipe():
        print(cuts_of(given.name, image_size))


if __name__ == "__main__":
    main()
