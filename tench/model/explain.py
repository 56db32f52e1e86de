"""Grad-CAM: heat maps of the regions that support a prediction.

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization (ICCV 2017), equations 1 and 2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.data.decode.resize import RGB
from tench.model.network.classifier import classifier_parts
from tench.model.network.keras_setup import tf


def grad_cam(classifier: Any, images: RGB, classes: NDArray[np.integer]) -> NDArray[np.float32]:
    """Compute Grad-CAM heat maps at the output of the backbone.

    Args:
        classifier: from `assemble_classifier`.
        images: uint8 (n, size, size, 3).
        classes: (n,), the class to explain in each image.

    Returns:
        float32 (n, h, w) in [0, 1], scaled so that each map's maximum is 1; all 0 where no region
        supports the class.
    """
    backbone, head = classifier_parts(classifier)
    features = backbone(classifier.get_layer("scaling")(images.astype(np.float32)))
    with tf.GradientTape() as tape:
        tape.watch(features)
        # Logits, because the gradients of a saturated softmax vanish.
        logits = head(classifier.get_layer("pooling")(features), training=False)
        scores = tf.gather(logits, np.asarray(classes), axis=1, batch_dims=1)
    gradients = tape.gradient(scores, features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
    maximum = maps.max(axis=(1, 2), keepdims=True)
    np.divide(maps, maximum, out=maps, where=maximum > 0)
    return np.asarray(maps, np.float32)
