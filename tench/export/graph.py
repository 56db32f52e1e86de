"""The classifier as other runtimes get it: an image in, three outputs out.

`probabilities` (n, classes); `pooled` (n, channels), the pooled features, by which its nearest
neighbors are found; `heat` (n, h, w, classes), Grad-CAM of every class before its ReLU. The latter
needs no gradients at run time: behind the pooling lie dense layers alone, so that the gradient of a
logit by the features is the same at every place, and a product of the layers' kernels.

Source: Selvaraju et al., Grad-CAM (ICCV 2017), equations 1 and 2; its constant factor 1 / (h w) is
left out, since maps are shown relative to their strongest place.
"""

from collections.abc import Callable
from typing import Any

from tench.model.network.classifier import classifier_parts
from tench.model.network.keras_setup import keras, tf

INPUT_NAME = "image"  # float32 (n, size, size, 3), RGB in 0 ... 255


def pointwise_convolution(features: Any, kernel: Any) -> Any:
    """Features (n, h, w, channels) times a kernel (channels, units), as the 1 x 1 convolution that
    every runtime has."""
    return tf.nn.conv2d(features, kernel[None, None], 1, "VALID")


def exported_function(classifier: Any) -> Callable[[Any], dict[str, Any]]:
    """An assembled classifier as a function of images to its three outputs."""
    backbone, head = classifier_parts(classifier)
    scaling, pooling = classifier.get_layer("scaling"), classifier.get_layer("pooling")
    *hidden, last = (layer for layer in head.layers if isinstance(layer, keras.layers.Dense))

    def call(image: Any) -> dict[str, Any]:
        features = backbone(scaling(image), training=False)
        pooled = pooling(features)
        x, heat = pooled, features
        for layer in hidden:
            x = layer(x)
            active = tf.cast(x > 0, tf.float32)  # the gradient of its ReLU
            heat = pointwise_convolution(heat, layer.kernel) * active[:, None, None]
        heat = pointwise_convolution(heat, last.kernel)
        return {"probabilities": tf.nn.softmax(last(x)), "pooled": pooled, "heat": heat}

    return call


def input_signature(classifier: Any, batch: int | None) -> list[Any]:
    """The function's input for batches of so many images, or any number."""
    return [tf.TensorSpec((batch, *classifier.input_shape[1:]), tf.float32, name=INPUT_NAME)]
