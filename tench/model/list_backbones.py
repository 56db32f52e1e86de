"""List the backbones that backbone.name may have, or where one of them can be cut.

A cut is a layer that a single tensor enters, and so a place to store activations (backbone.cache_at).
Training may begin at any layer (finetune.fine_tune_at), there or behind it at little cost.
"""

import argparse
import sys
from collections.abc import Sequence

from tench.core.names import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE
from tench.core.specs import BACKBONES
from tench.run.silence import ignore_closed_pipe

BYTES_PER_VALUE = 4  # bytes, float32


def format_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows as text in columns, the first set to the left and the rest to the right."""
    first, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(wide) for cell, wide in zip(cells, rest, strict=True))
        lines.append("  ".join([name.ljust(first), *numbers]).rstrip())
    return "\n".join(lines)


def list_backbones() -> str:
    """All backbones, a line each."""
    rows: list[tuple[str, ...]] = [
        ("name", "parameters", "layers", "channels", "trained at", "cache_at: auto")
    ]
    for name, known in BACKBONES.items():
        numbers = (
            known.parameters,
            known.layers,
            known.features,
            known.pretrained_size,
            known.auto_cache_at,
        )
        rows.append((name, *(f"{number:,}" for number in numbers)))
    return format_table(rows)


def list_cuts(name: str, image_size: int) -> str:
    """All cuts of a backbone for images of a size, a line each."""
    from tench.model.network.backbone import build_backbone, cache_cut, find_cuts, values_per_image

    backbone = build_backbone(name, image_size)
    auto, names = cache_cut(backbone, "auto"), [layer.name for layer in backbone.layers]
    rows = [("layer", "number", "enters it", "kB an image", "")]
    for cut, tensor in find_cuts(backbone).items():
        shape = " x ".join(map(str, tensor.shape[1:]))
        stored = f"{values_per_image(tensor) * BYTES_PER_VALUE / 1000:,.0f}"
        name_of = [*names, "(behind the last: the head alone)"][cut]
        rows.append((name_of, str(cut), shape, stored, "auto" if cut == auto else ""))
    return format_table(rows)


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
            print(list_backbones())
        return
    if given.name not in BACKBONES:
        sys.exit(f"error: {given.name}: must be one of {', '.join(BACKBONES)}")
    image_size = given.image_size or BACKBONES[given.name].pretrained_size
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        sys.exit(f"error: --image-size {image_size}: must be {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}")
    with ignore_closed_pipe():
        print(list_cuts(given.name, image_size))


if __name__ == "__main__":
    main()
