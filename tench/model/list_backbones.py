"""List the backbones for `backbone.name`, or the layers at which one of them can be cut.

A cut is a layer that a single tensor enters. The activations entering it can be cached
(`backbone.cache_at`). Training can start at any layer from the cut on (`finetune.fine_tune_at`).
"""

import argparse
import sys
from collections.abc import Sequence

from tench.core.names import MAX_IMAGE_SIZE, MIN_IMAGE_SIZE
from tench.core.specs import BACKBONES
from tench.run.silence import ignore_closed_pipe

BYTES_PER_VALUE = 4  # float32


def format_table(rows: Sequence[tuple[str, ...]]) -> str:
    """Format rows as text columns, the first left-aligned, the others right-aligned."""
    first, *rest = (max(map(len, column)) for column in zip(*rows, strict=True))
    lines = []
    for name, *cells in rows:
        numbers = (cell.rjust(wide) for cell, wide in zip(cells, rest, strict=True))
        lines.append("  ".join([name.ljust(first), *numbers]).rstrip())
    return "\n".join(lines)


def list_backbones() -> str:
    """A table of all backbones."""
    rows: list[tuple[str, ...]] = [
        ("name", "parameters", "layers", "channels", "trained at", "cache_at: auto")
    ]
    for name, spec in BACKBONES.items():
        numbers = (
            spec.parameters,
            spec.layers,
            spec.features,
            spec.pretrained_size,
            spec.auto_cache_at,
        )
        rows.append((name, *(f"{number:,}" for number in numbers)))
    return format_table(rows)


def list_cuts(name: str, image_size: int) -> str:
    """A table of all cuts of a backbone, for images of `image_size` pixels a side."""
    from tench.model.network.backbone import build_backbone, cache_cut, find_cuts, values_per_image

    backbone = build_backbone(name, image_size)
    auto, names = cache_cut(backbone, "auto"), [layer.name for layer in backbone.layers]
    names.append("(after the last: the head alone)")
    rows = [("layer", "number", "input shape", "kB per image", "")]
    for cut, tensor in find_cuts(backbone).items():
        shape = " x ".join(map(str, tensor.shape[1:]))
        kilobytes = f"{values_per_image(tensor) * BYTES_PER_VALUE / 1000:,.0f}"
        rows.append((names[cut], str(cut), shape, kilobytes, "auto" if cut == auto else ""))
    return format_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tench.backbones",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="list the cuts of this backbone")
    parser.add_argument(
        "--image-size",
        type=int,
        metavar="PIXELS",
        help="pixels a side (default: the size of the pretrained weights)",
    )
    args = parser.parse_args()
    if args.name is None:
        with ignore_closed_pipe():
            print(list_backbones())
        return
    if args.name not in BACKBONES:
        sys.exit(f"error: {args.name}: must be one of {', '.join(BACKBONES)}")
    image_size = args.image_size or BACKBONES[args.name].pretrained_size
    if not MIN_IMAGE_SIZE <= image_size <= MAX_IMAGE_SIZE:
        sys.exit(f"error: --image-size {image_size}: must be {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}")
    with ignore_closed_pipe():
        print(list_cuts(args.name, image_size))


if __name__ == "__main__":
    main()
