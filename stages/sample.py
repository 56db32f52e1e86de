"""sample: draw ten classes, each with 40 training and 20 validation pictures.

In:  nothing but the code.
Out: data/sample/{train,val}/WORDNET-ID/NAME.jpg, the same bytes on every run with one Pillow. A
     sample that was drawn before is replaced; anything else that lies there is refused.
"""

from pathlib import Path

from tench.console.stage import run_stage
from tench.core import paths
from tench.core.files import whole_folder
from tench.drawing.dataset import draw_dataset
from tench.sources.folders import is_free, is_ours, mark, refuse


def draw(out: Path) -> None:
    """Draw the sample at `out`. Raises TenchError if something lies there that is not ours."""
    if not (is_free(out) or is_ours(out)):
        raise refuse(out, "this is not the sample as it was drawn", "the sample")
    with whole_folder(out) as part:
        draw_dataset(part)
        mark(part)


def main() -> None:
    draw(paths.SAMPLE)


if __name__ == "__main__":
    run_stage(main, [paths.SAMPLE])
