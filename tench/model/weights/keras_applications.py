"""The ImageNet weights of any backbone, as Keras fetches and checks them."""

import socket
import warnings
from typing import Any

from tench.core.errors import TenchError
from tench.model.weights.download import FETCH_ERRORS, TIMEOUT

IMAGENET_SIZE = 224  # pixels a side; the weights serve any


def load_imagenet_backbone(name: str) -> Any:
    """A backbone of BACKBONES with the ImageNet weights that Keras offers.

    Keras takes them from its own folder (~/.keras/models, or $KERAS_HOME), else from its storage,
    and checks their digest where it publishes one: for all but MobileNetV2.

    Raises:
        TenchError: they cannot be fetched, or are not what they should be.
    """
    from tench.model.network.backbone import build_backbone

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # Keras has none
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MobileNetV2 warns of the size it was given
            return build_backbone(name, IMAGENET_SIZE, "imagenet")
    except Exception as error:
        # Keras raises Exception itself where a fetch fails.
        if type(error) is not Exception and not isinstance(error, FETCH_ERRORS):
            raise
        reason = " ".join(str(error).split()) or repr(error)
        raise TenchError(
            f"backbone.weights = imagenet: those of {name} could not be fetched. {reason}. Check "
            "the connection and run again, put the file into ~/.keras/models, or save the weights "
            "as a .weights.h5 file on a machine that has them and set backbone.weights to its path"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
