"""The head and the classifier: build, assemble, split and load them."""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.params import ExtractTrain
from tench.model.network.backbone import Model, cut_tensor, input_scaling_layer
from tench.model.network.keras_setup import keras
from tench.model.network.trainable_top import build_top

MAX_REASON_CHARS = 200  # of Keras's message, which ends with advice to trust the file


def build_head(settings: ExtractTrain, features: int, classes: int) -> Model:
    """Build the head: pooled features (n, features) to logits (n, classes).

    With a hidden layer; without one, as in a logistic regression, where `solver` is logistic.
    """
    hidden = [keras.layers.Dense(settings.dense_units, activation="relu", name="dense")]
    return keras.Sequential(
        [
            keras.Input((features,), name="pooled"),
            *(hidden if settings.solver == "adam" else []),
            keras.layers.Dropout(settings.dropout, name="dropout"),
            keras.layers.Dense(classes, name="logits"),
        ],
        name="head",
    )


def with_activation(model: Model, activation: str = "softmax") -> Model:
    """Add an activation to a model whose outputs are logits.

    Sigmoids, as in the paper, serve only in training: they need not sum to one.
    """
    output = keras.layers.Activation(activation, name="probabilities")
    return keras.Model(model.inputs, output(model.outputs[0]))


def connect_top_and_head(top: Model, head: Model) -> Model:
    """Connect the trainable top, pooling and head: activations at the cut to logits."""
    activations = keras.Input(top.input_shape[1:], name="activations")
    features = keras.layers.GlobalAveragePooling2D(name="pooling")(top(activations))
    return keras.Model(activations, head(features))


def assemble_classifier(backbone: Model, name: str, head: Model) -> Model:
    """Assemble the classifier: scaling, backbone, pooling, head and softmax.

    The output is a softmax whatever activation the head was trained with.

    Args:
        backbone: without its top.
        name: of the backbone, a key of BACKBONES.
        head: pooled features to logits.

    Returns:
        a model from images (n, size, size, 3) in [0, 255] to probabilities (n, classes).
    """
    size = backbone.input_shape[1]
    image = keras.Input((size, size, 3), name="image")
    x = backbone(input_scaling_layer(name)(image))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    for layer in head.layers:
        x = layer(x)
    x = keras.layers.Activation("softmax", name="probabilities")(x)
    return keras.Model(image, x, name="classifier")


def classifier_parts(classifier: Model) -> tuple[Model, Model]:
    """The backbone and the head of an assembled classifier."""
    names = [layer.name for layer in classifier.layers]
    pooling = names.index("pooling")
    return classifier.layers[pooling - 1], keras.Sequential(classifier.layers[pooling + 1 : -1])


def split_classifier(classifier: Model, cut: int) -> tuple[Model, Model]:
    """The top of an assembled classifier's backbone, from layer `cut` on, and its head."""
    backbone, head = classifier_parts(classifier)
    return build_top(backbone, cut), head


def with_activations(classifier: Model, cut: int) -> Model:
    """A classifier with two outputs: the activations entering layer `cut` of its backbone, and its
    probabilities."""
    backbone, head = classifier_parts(classifier)
    both = keras.Model(backbone.input, [cut_tensor(backbone, cut), backbone.output])
    scaled = classifier.get_layer("scaling")(classifier.input)
    activations, features = both(scaled)
    logits = head(classifier.get_layer("pooling")(features))
    return keras.Model(
        classifier.input, [activations, classifier.get_layer("probabilities")(logits)]
    )


def load_classifier(file: Path) -> Model:
    """Load a classifier from a .keras file, in Keras's safe mode: without running code in it.

    Raises:
        TenchError: the file contains code, or Keras cannot load it.
    """
    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, ImportError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0][:MAX_REASON_CHARS]
        raise TenchError(
            f"{file}: not a classifier saved by Tench: {reason}. Delete it and run `dvc repro`"
        ) from None
