"""Grad-CAM: where in a picture a classifier found what it said.

Source: Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization (ICCV 2017), equations 1 and 2.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tench.network.classifier import classifier_parts
from tench.network.runtime import tf
from tench.pictures.prepared import RGB


def heat_maps(classifier: Any, pictures: RGB, classes: NDArray[np.integer]) -> NDArray[np.float32]:
    """How much each place of the backbone's output speaks for a class, trunk and tail together.

    Args:
        classifier: assembled.
        pictures: uint8 (n, size, size, 3).
        classes: (n,), the class to explain in each picture.

    Returns:
        float32 (n, h, w) in 0 ... 1, the strongest place of each picture 1; all 0 where nothing
        speaks for the class.
    """
    backbone, head = classifier_parts(classifier)
    features = backbone(classifier.get_layer("scaling")(pictures.astype(np.float32)))
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


def overlay(picture: RGB, heat: NDArray[np.float32]) -> Image.Image:
    """A picture beside itself under its heat map: what is warm and bright spoke for the class.

    Args:
        picture: uint8 (size, size, 3).
        heat: (h, w) in 0 ... 1.

    Returns:
        RGB, twice as wide as the picture.
    """
    size = picture.shape[1], picture.shape[0]
    smooth = Image.fromarray((heat * 255).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    amount = np.asarray(smooth, np.float32)[..., None] / 255
    grey = picture.mean(axis=2, keepdims=True) * 0.45
    warm = grey * (1 - amount) + amount * (0.35 * picture + 0.65 * np.array([255, 140, 0]))
    return Image.fromarray(np.concatenate([picture, warm.clip(0, 255).astype(np.uint8)], axis=1))
