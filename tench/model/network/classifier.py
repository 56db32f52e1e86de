"""The head, the whole classifier, the classifier taken apart again, and one from a file."""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.params import ExtractTrain
from tench.model.network.backbone import Model, cut_tensor, input_scaling_layer
from tench.model.network.keras_setup import keras
from tench.model.network.trainable_top import build_top

MAX_REASON_CHARS = 200  # characters of Keras's, which goes on with advice to trust the file


def build_head(settings: ExtractTrain, features: int, classes: int) -> Model:
    """Pooled features (n, features) to logits (n, classes): through a hidden layer, or without,
    as in a logistic regression."""
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
    """A model that puts out logits, as one that puts out their `activation`.

    Sigmoids are for training alone, as the paper has it: they need not sum to one.
    """
    output = keras.layers.Activation(activation, name="probabilities")
    return keras.Model(model.inputs, output(model.outputs[0]))


def connect_top_and_head(tail: Model, head: Model) -> Model:
    """Activations entering the tail to logits."""
    activations = keras.Input(tail.input_shape[1:], name="activations")
    features = keras.layers.GlobalAveragePooling2D(name="pooling")(tail(activations))
    return keras.Model(activations, head(features))


def assemble_classifier(backbone: Model, name: str, head: Model) -> Model:
    """The whole classifier on a backbone of BACKBONES: images (n, size, size, 3) in 0 ... 255 to
    a distribution over the classes (n, classes), the softmax of the logits whatever the head was
    trained with."""
    size = backbone.input_shape[1]
    image = keras.Input((size, size, 3), name="image")
    x = backbone(input_scaling_layer(name)(image))
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    for layer in head.layers:
        x = layer(x)
    x = keras.layers.Activation("softmax", name="probabilities")(x)
    return keras.Model(image, x, name="classifier")


def classifier_parts(classifier: Model) -> tuple[Model, Model]:
    """The backbone inside an assembled classifier, and its head."""
    names = [layer.name for layer in classifier.layers]
    place = names.index("pooling")
    return classifier.layers[place - 1], keras.Sequential(classifier.layers[place + 1 : -1])


def split_classifier(classifier: Model, cut: int) -> tuple[Model, Model]:
    """The tail of an assembled classifier from layer `cut` of its backbone on, and its head."""
    backbone, head = classifier_parts(classifier)
    return build_top(backbone, cut), head


def with_activations(classifier: Model, cut: int) -> Model:
    """The classifier's layers as a model with two outputs: the activations entering layer `cut` of
    its backbone, and its probabilities."""
    backbone, head = classifier_parts(classifier)
    both = keras.Model(backbone.input, [cut_tensor(backbone, cut), backbone.output])
    scaled = classifier.get_layer("scaling")(classifier.input)
    activations, features = both(scaled)
    logits = head(classifier.get_layer("pooling")(features))
    return keras.Model(
        classifier.input, [activations, classifier.get_layer("probabilities")(logits)]
    )


def load_classifier(file: Path) -> Model:
    """Load a .keras file, of which no part is run: Keras refuses layers that hold a program.

    Raises:
        TenchError: it holds one, or is no classifier that Keras can load.
    """
    try:
        return keras.models.load_model(file, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, ImportError, AttributeError) as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0][:MAX_REASON_CHARS]
        raise TenchError(
            f"{file}: no classifier that Tench has saved: {reason}. Delete it and run `dvc repro`"
        ) from None
