"""evaluate: score the model before and after fine-tuning on the test images.

In:  data/eval_subset, data/features/activations, models/classifier.keras, models/check.npy,
     models/backbone.weights.h5, models/head.weights.h5, seed (of the bootstrap).
Out: metrics/evaluate.json (accuracy and loss of the frozen and of the fine-tuned model with their
     95 % intervals, for all test images and for those the backbone has and has not seen;
     calibration; whether the two models differ), metrics/predictions.csv (what both say of every
     test image), metrics/probabilities.npy (what the saved classifier says of each and every
     class, float32 (images, classes)), metrics/per_class.csv, metrics/calibration/,
     metrics/mistakes/ (RANK-ROW.jpg: the surest mistakes, ROW of predictions.csv counted from 0;
     right of each, what is bright and orange spoke for the class that the model named),
     metrics/model.txt (Keras's summary of the model).

The scores are those of the saved classifier in plain Keras. The stage fails if it says something
else than the model in memory said before it was saved, of some validation images; or than trunk
and tail say, as in training, of the test images.
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

MAX_MISTAKES_DRAWN = 12  # mistakes, with their heat maps
COLUMNS = "100"  # of the model's summary


def check_saved_classifier(both: Any, rows: list[Row]) -> None:
    """Ask the saved classifier, as `with_activations` gives it, what was asked of it before it was
    saved, of the validation images `rows`. Raises TenchError."""
    from tench.model.network.batch_predict import check_agreement, predict_images

    asked = evenly_spaced_rows(rows, CHECK_IMAGES)
    (after,) = predict_images(
        asked, lambda batch: both.predict_on_batch(batch)[1:], "check", EVAL_SUBSET
    )
    what = "the classifier before and after it was saved"
    print(
        f"{what} agree to {check_agreement(np.load(CHECK_PROBABILITIES), after, asked, what):.1e}"
    )


def evaluate_models(params: Params, rows: list[Row], classifier: Any) -> dict[str, Predictions]:
    """What the frozen and the fine-tuned model say of the test images among all `rows`, once
    the classifier is seen to be the one that was saved. Raises TenchError."""
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

    def ask(batch: Any) -> list[Any]:  # up to the cut both models are the same
        entering, finetuned = both.predict_on_batch(batch)
        return [frozen.predict_on_batch(entering), finetuned]

    test = rows_in_split(rows, "test")
    plain = predict_images(test, ask, "evaluate", EVAL_SUBSET)
    with atomic_file(PROBABILITIES) as part:
        np.save(part, plain[MODEL_NAMES.index("finetuned")])
    outcomes = {}
    read = partial(read_rows, select_rows(open_shards(CACHED_FEATURES, rows), test))
    for name, model, slow in zip(MODEL_NAMES, (frozen, tuned), plain, strict=True):
        quick = predict_activations(read, np.arange(len(test)), model)
        what = f"plain Keras and trunk-then-tail ({name})"
        print(f"{what} agree to {check_agreement(slow, quick, test, what):.1e}")
        outcomes[name] = evaluate_predictions(slow, row_labels(test))
    return outcomes


def draw_confident_errors(said: Predictions, rows: list[Row], classifier: Any) -> None:
    """Draw the surest mistakes with their heat maps into metrics/mistakes, as RANK-ROW.jpg: the
    row of predictions.csv, counted from 0."""
    from tench.data.heat_map import overlay_heat_map
    from tench.data.store.prepared_images import read_eval_image
    from tench.model.explain import grad_cam

    # images alone: `dvc plots show` reports any other file as a plot that failed to load
    MISTAKES.mkdir(parents=True, exist_ok=True)
    places = most_confident_errors(said, MAX_MISTAKES_DRAWN)
    images = [read_eval_image(rows[place]) for place in places]
    if images:
        maps = grad_cam(classifier, np.stack(images), said.predicted[places])
        for rank, (place, image, heat) in enumerate(zip(places, images, maps, strict=True), 1):
            overlay_heat_map(image, heat).save(MISTAKES / f"{rank:02d}-{place}.jpg", quality=88)


def model_summary(model: Any) -> str:
    """Keras's summary of a model as text, the same on every terminal."""
    os.environ["COLUMNS"] = COLUMNS  # Keras and rich fit the table to the terminal otherwise
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def main() -> None:
    params = load_params()
    from tench.model.network.classifier import load_classifier

    rows = read_index()
    test = seen_with(rows_in_split(rows, "test"), params.backbone.weights)
    classifier = load_classifier(CLASSIFIER)
    outcomes = evaluate_models(params, rows, classifier)
    write_results(outcomes, test, params.seed)
    draw_confident_errors(outcomes["finetuned"], test, classifier)
    write_text(model_summary(classifier), MODEL_SUMMARY)


if __name__ == "__main__":
    run_stage(main, [SCORES, PREDICTIONS])
