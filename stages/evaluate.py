"""evaluate: score the model before and after fine-tuning on the test images.

In:  data/eval_subset, data/split/index.csv, data/features/activations, models/classifier.keras,
     models/check.npy, models/backbone.weights.h5, models/head.weights.h5, seed (of the bootstrap).
Out: metrics/evaluate.json: accuracy and loss of the frozen and the fine-tuned model with 95 %
     intervals, for all test images and for those that the backbone has and has not seen,
     calibration, and whether the two models differ;
     metrics/predictions.csv: the predictions of both models for each test image;
     metrics/probabilities.npy: probabilities of the saved classifier, float32 (images, classes);
     metrics/per_class.csv, metrics/calibration/;
     metrics/mistakes/RANK-ROW.jpg: the most confident errors with Grad-CAM, where ROW is the row
     of predictions.csv, counted from 0;
     metrics/model.txt: Keras's summary of the model.

The scores are those of the saved classifier in plain Keras. The stage fails if its predictions
differ from those before it was saved, or from those on cached features, as in training.
"""

import os
from functools import partial
from typing import Any

import numpy as np

from tench.core.files import atomic_file, write_text
from tench.core.names import MODEL_NAMES
from tench.core.params import Params, load_params
from tench.core.paths import (
    BACKBONE,
    CACHED_FEATURES,
    CHECK_PROBABILITIES,
    CLASSIFIER,
    EVAL_SUBSET,
    HEAD,
    MISTAKES,
    MODEL_SUMMARY,
    PREDICTIONS,
    PROBABILITIES,
    SCORES,
)
from tench.data.index import Row, read_index, row_labels, rows_in_split, seen_with
from tench.data.split.eval_subset import CHECK_IMAGES, evenly_spaced_rows
from tench.data.store.shards import open_shards, read_rows, select_rows
from tench.evaluate.results import most_confident_errors, write_results
from tench.evaluate.scores import Predictions, evaluate_predictions
from tench.run.runner import run_stage

MAX_MISTAKES_DRAWN = 12
NO_MISTAKES = """<svg xmlns="http://www.w3.org/2000/svg" width="320" height="40">
<text x="8" y="25" font-family="sans-serif" font-size="14">No errors on the test images.</text>
</svg>
"""
SUMMARY_COLUMNS = "100"  # width of the model's summary


def check_saved_classifier(both: Any, rows: list[Row]) -> None:
    """Compare the saved classifier with its predictions before it was saved.

    Args:
        both: the classifier from `with_activations`.
        rows: all validation images.

    Raises:
        TenchError: the predictions differ.
    """
    from tench.model.network.batch_predict import check_agreement, predict_images

    checked = evenly_spaced_rows(rows, CHECK_IMAGES)
    (after,) = predict_images(
        checked, lambda batch: both.predict_on_batch(batch)[1:], "check", EVAL_SUBSET
    )
    what = "the classifier before and after it was saved"
    difference = check_agreement(np.load(CHECK_PROBABILITIES), after, checked, what)
    print(f"{what} agree to {difference:.1e}")


def evaluate_models(params: Params, rows: list[Row], classifier: Any) -> list[Any]:
    """Predict the test images with the frozen and the fine-tuned model.

    Args:
        params: parameters.
        rows: all rows of the index.
        classifier: the saved, fine-tuned classifier.

    Returns:
        probabilities, float32 (images, classes), for each of MODEL_NAMES.

    Raises:
        TenchError: the saved classifier differs from the model before it was saved, or plain Keras
            from the prediction on cached features.
    """
    from tench.model.network import classifier as net
    from tench.model.network.backbone import load_backbone, resolve_layer_number, training_cut
    from tench.model.network.batch_predict import (
        check_agreement,
        predict_activations,
        predict_images,
    )
    from tench.model.network.trainable_top import build_top

    original = load_backbone(BACKBONE, params.backbone.name, params.data.image_size)
    channels, classes = original.output_shape[-1], classifier.output_shape[-1]
    head = net.build_head(params.extract_train, channels, classes)
    head.load_weights(HEAD)
    first = resolve_layer_number(original, params.finetune.fine_tune_at)
    cut = training_cut(original, first, params.backbone.cache_at)
    frozen = net.with_activation(net.connect_top_and_head(build_top(original, cut), head))
    tuned = net.with_activation(net.connect_top_and_head(*net.split_classifier(classifier, cut)))
    both = net.with_activations(classifier, cut)
    check_saved_classifier(both, rows_in_split(rows, "val"))

    def predict(batch: Any) -> list[Any]:  # both models are the same up to the cut
        activations, finetuned = both.predict_on_batch(batch)
        return [frozen.predict_on_batch(activations), finetuned]

    test = rows_in_split(rows, "test")
    plain = predict_images(test, predict, "evaluate", EVAL_SUBSET)
    read = partial(read_rows, select_rows(open_shards(CACHED_FEATURES, rows), test))
    for name, top, probabilities in zip(MODEL_NAMES, (frozen, tuned), plain, strict=True):
        cached = predict_activations(read, np.arange(len(test)), top)
        what = f"plain Keras and cached features ({name})"
        print(f"{what} agree to {check_agreement(probabilities, cached, test, what):.1e}")
    return plain


def draw_confident_errors(predictions: Predictions, rows: list[Row], classifier: Any) -> None:
    """Draw the most confident errors with Grad-CAM into metrics/mistakes, as RANK-ROW.jpg."""
    from tench.data.heat_map import overlay_heat_map
    from tench.data.store.prepared_images import read_eval_image
    from tench.model.explain import grad_cam

    # images only: `dvc plots show` reports any other file as a plot that failed to load
    MISTAKES.mkdir(parents=True, exist_ok=True)
    errors = most_confident_errors(predictions, MAX_MISTAKES_DRAWN)
    if not len(errors):
        write_text(NO_MISTAKES, MISTAKES / "none.svg")  # DVC warns about an empty output
    images = [read_eval_image(rows[row]) for row in errors]
    if images:
        maps = grad_cam(classifier, np.stack(images), predictions.predicted[errors])
        for rank, (row, image, heat) in enumerate(zip(errors, images, maps, strict=True), 1):
            overlay_heat_map(image, heat).save(MISTAKES / f"{rank:02d}-{row}.jpg", quality=88)


def model_summary(model: Any) -> str:
    """Keras's summary of a model as text, the same on every terminal."""
    os.environ["COLUMNS"] = SUMMARY_COLUMNS  # otherwise the table fits the terminal
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def main() -> None:
    params, rows = load_params(), read_index()
    from tench.model.network.classifier import load_classifier

    test = seen_with(rows_in_split(rows, "test"), params.backbone.weights)
    classifier = load_classifier(CLASSIFIER)
    probabilities = dict(zip(MODEL_NAMES, evaluate_models(params, rows, classifier), strict=True))
    with atomic_file(PROBABILITIES) as part:
        np.save(part, probabilities["finetuned"])
    labels = row_labels(test)
    outcomes = {name: evaluate_predictions(p, labels) for name, p in probabilities.items()}
    write_results(outcomes, test, params.seed)
    draw_confident_errors(outcomes["finetuned"], test, classifier)
    write_text(model_summary(classifier), MODEL_SUMMARY)


if __name__ == "__main__":
    run_stage(main, [SCORES, PREDICTIONS])
