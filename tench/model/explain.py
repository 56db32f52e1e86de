"""Grad-CAM: where in an image a classifier found what it said.

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
    """How much each place of the backbone's output speaks for a class, trunk and tail together.

    Args:
        classifier: assembled.
        images: uint8 (n, size, size, 3).
        classes: (n,), the class to explain in each image.

    Returns:
        float32 (n, h, w) in 0 ... 1, the strongest place of each image 1; all 0 where nothing
        speaks for the class.
    """
    backbone, head = classifier_parts(classifier)
    features = backbone(classifier.get_layer("scaling")(images.astype(np.float32)))
    with tf.GradientTape() as tape:
        tape.watch(features)
        # Logits: behind a softmax that is nearly certain, gradients vanish.
        logits = head(classifier.get_layer("pooling")(features), training=False)
        chosen = tf.gather(logits, np.asarray(classes), axis=1, batch_dims=1)
    gradients = tape.gradient(chosen, features)
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    maps = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
    strongest = maps.max(axis=(1, 2), keepdims=True)
    np.divide(maps, strongest, out=maps, where=strongest > 0)
    return np.asarray(maps, np.float32)
