"""ImageNet weights from keras.applications, for any backbone."""

import socket
import warnings
from typing import Any

from tench.core.errors import TenchError
from tench.model.weights.download import FETCH_ERRORS, TIMEOUT

IMAGENET_SIZE = 224  # pixels a side; the weights do not depend on it


def load_imagenet_backbone(name: str) -> Any:
    """Build a backbone with its ImageNet weights from Keras.

    Keras looks in ~/.keras/models or $KERAS_HOME first, then in its storage. It publishes and
    checks a digest for all backbones but MobileNetV2.

    Args:
        name: a key of BACKBONES.

    Raises:
        TenchError: the download failed, or the file has another digest.
    """
    from tench.model.network.backbone import build_backbone

    default_timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)  # Keras sets none
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MobileNetV2 warns about some sizes
            return build_backbone(name, IMAGENET_SIZE, "imagenet")
    except Exception as error:
        # Keras raises a plain Exception if a download fails.
        if type(error) is not Exception and not isinstance(error, FETCH_ERRORS):
            raise
        reason = " ".join(str(error).split()) or repr(error)
        raise TenchError(
            f"backbone.weights = imagenet: download failed for {name}. {reason}. Check the "
            "connection and run again, put the file into ~/.keras/models, or save the weights as "
            "a .weights.h5 file on a machine that has them and set backbone.weights to its path"
        ) from None
    finally:
        socket.setdefaulttimeout(default_timeout)
