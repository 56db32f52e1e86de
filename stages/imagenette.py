"""imagenette: fetch and verify Imagenette v2, ten classes at 224 pixels.

In:  the folder in $IMAGENETTE_DIR, else ../shared/imagenette, else the public git repository.
Out: data/imagenette/{train,val}/WORDNET-ID/*.JPEG, 13,394 images. An existing copy is not changed;
     other images in that folder are refused. In the temporary folder of an experiment, a link to
     the images of its checkout.
"""

import sys

from tench.core import paths
from tench.data.sources.checkout_link import link_from_checkout
from tench.data.sources.imagenette import obtain_imagenette
from tench.run.runner import run_stage


def main() -> None:
    if link_from_checkout(paths.IMAGENETTE):
        sys.exit()  # without a record: another run fetched the images
    obtain_imagenette(paths.IMAGENETTE)


if __name__ == "__main__":
    run_stage(main, [paths.IMAGENETTE])
