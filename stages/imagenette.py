"""imagenette: obtain the ten classes of Imagenette v2 at 224 pixels and verify them.

In:  the folder in $IMAGENETTE_DIR, or ../shared/imagenette, or, in the temporary folder of an
     experiment, the pictures of the checkout it belongs to, or else the public git repository.
Out: data/imagenette/{train,val}/WORDNET-ID/*.JPEG, 13,394 pictures. If they lie there already, they
     are kept as they are; other pictures there are refused.
"""

from tench.console.stage import run_stage
from tench.core import paths
from tench.sources.imagenette import obtain


def main() -> None:
    obtain(paths.IMAGENETTE)


if __name__ == "__main__":
    run_stage(main, [paths.IMAGENETTE])
