"""The loss and metrics of training."""

from typing import Any

from tench.model.network.keras_setup import keras

BALANCED = "balanced_accuracy"


class Accuracy(keras.metrics.SparseCategoricalAccuracy):  # type: ignore[misc]
    """Accuracy over all rows with a weight above 0, each counting the same."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        super().update_state(y_true, y_pred, keras.ops.cast(sample_weight > 0, "float32"))


class WeightedAccuracy(keras.metrics.Mean):  # type: ignore[misc]
    """Balanced accuracy (mean recall of the classes) with the weights of `iterate_batches`.

    Per batch: sum(weights of correct rows) / rows. The weights of a split average 1, so the mean
    over its batches is the mean recall. Dividing by each batch's sum of weights would not be.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        correct = keras.metrics.sparse_categorical_accuracy(y_true, y_pred)
        super().update_state(correct * keras.ops.cast(sample_weight, correct.dtype))


def compile_model(model: Any, optimizer: Any = None, balanced: bool = False) -> None:
    """Compile a model with cross-entropy and accuracy; with `balanced`, also balanced accuracy.

    Without an optimizer it can only be scored.
    """
    loss = keras.losses.SparseCategoricalCrossentropy()
    metrics = [Accuracy("accuracy"), *([WeightedAccuracy(BALANCED)] if balanced else [])]
    model.compile(optimizer=optimizer, loss=loss, weighted_metrics=metrics)
