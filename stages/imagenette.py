"""imagenette: obtain the ten classes of Imagenette v2 at 224 pixels and verify them.

In:  the folder in $IMAGENETTE_DIR, or ../shared/imagenette, or else the public git repository.
Out: data/imagenette/{train,val}/WORDNET-ID/*.JPEG, 13,394 pictures. If they lie there already, they
     are kept as they are; other pictures there are refused. In the temporary folder of an
     experiment, a link to those of the checkout it belongs to.
"""

import sys

from tench.console.stage import run_stage
from tench.core import paths
from tench.sources.borrowing import borrow
from tench.sources.imagenette import obtain


def main() -> None:
    if borrow(paths.IMAGENETTE):
        sys.exit()  # and no record: the pictures' run was another
    obtain(paths.IMAGENETTE)


if __name__ == "__main__":
    run_stage(main, [paths.IMAGENETTE])
