"""The exported function: one input, `image`, and three outputs.

- `probabilities` (n, classes)
- `pooled` (n, channels): pooled features, to find the nearest training images
- `heat` (n, h, w, classes): Grad-CAM of every class, before its ReLU

Grad-CAM needs no gradients at run time. Only dense layers follow the pooling, so the gradient of a
logit with respect to the features is the same at every position: a product of the kernels.

Source: Selvaraju et al., Grad-CAM (ICCV 2017), equations 1 and 2. The constant factor 1 / (h w) is
omitted, since heat maps are scaled to a maximum of 1.
"""

from collections.abc import Callable
from typing import Any

from tench.model.network.classifier import classifier_parts
from tench.model.network.keras_setup import keras, tf

INPUT_NAME = "image"  # float32 (n, size, size, 3), RGB in 0 ... 255


def pointwise_convolution(features: Any, kernel: Any) -> Any:
    """Multiply features (n, h, w, channels) by a kernel (channels, units).

    A 1 x 1 convolution, which every runtime supports.
    """
    return tf.nn.conv2d(features, kernel[None, None], 1, "VALID")


def exported_function(classifier: Any) -> Callable[[Any], dict[str, Any]]:
    """Return a function from images (n, size, size, 3) to the three outputs, by name."""
    backbone, head = classifier_parts(classifier)
    scaling, pooling = classifier.get_layer("scaling"), classifier.get_layer("pooling")
    *hidden, last = (layer for layer in head.layers if isinstance(layer, keras.layers.Dense))

    def call(image: Any) -> dict[str, Any]:
        features = backbone(scaling(image), training=False)
        pooled = pooling(features)
        x, heat = pooled, features
        for layer in hidden:
            x = layer(x)
            active = tf.cast(x > 0, tf.float32)  # gradient of the ReLU
            heat = pointwise_convolution(heat, layer.kernel) * active[:, None, None]
        heat = pointwise_convolution(heat, last.kernel)
        return {"probabilities": tf.nn.softmax(last(x)), "pooled": pooled, "heat": heat}

    return call


def input_signature(classifier: Any, batch: int | None) -> list[Any]:
    """Signature of the exported function for a batch size; None: any."""
    return [tf.TensorSpec((batch, *classifier.input_shape[1:]), tf.float32, name=INPUT_NAME)]
