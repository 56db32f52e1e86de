"""imagenette: obtain the ten classes of Imagenette v2 at 224 pixels and verify them.

In:  the folder in $IMAGENETTE_DIR, or ../shared/imagenette, or else the public git repository.
Out: data/imagenette/{train,val}/WORDNET-ID/*.JPEG, 13,394 images. If they lie there already, they
     are kept as they are; other images there are refused. In the temporary folder of an
     experiment, a link to those of the checkout it belongs to.
"""

import sys

from tench.core import paths
from tench.data.sources.checkout_link import link_from_checkout
from tench.data.sources.imagenette import obtain_imagenette
from tench.run.runner import run_stage


def main() -> None:
    if link_from_checkout(paths.IMAGENETTE):
        sys.exit()  # and no record: the images' run was another
    obtain_imagenette(paths.IMAGENETTE)


if __name__ == "__main__":
    run_stage(main, [paths.IMAGENETTE])
