"""evaluate: score the model before and after fine-tuning on the test pictures.

In:  data/asked, data/features/tapped, models/classifier.keras, models/check.npy,
     models/backbone.weights.h5, models/head.weights.h5, seed (of the bootstrap).
Out: metrics/evaluate.json (accuracy and loss of the frozen and of the fine-tuned model with their
     95 % intervals, for all test pictures and for those the backbone has and has not seen;
     calibration; whether the two models differ), metrics/predictions.csv (what both say of every
     test picture), metrics/probabilities.npy (what the saved classifier says of each and every
     class, float32 (pictures, classes)), metrics/per_class.csv, metrics/calibration/,
     metrics/mistakes/ (RANK-ROW.jpg: the surest mistakes, ROW of predictions.csv counted from 0;
     right of each, what is bright and orange spoke for the class that the model named),
     metrics/model.txt (Keras's summary of the model).

The scores are those of the saved classifier in plain Keras. The stage fails if it says something
else than the model in memory said before it was saved, of some validation pictures; or than trunk
and tail say, as in training, of the test pictures.
"""

import os
from functools import partial
from typing import Any

import numpy as np

from tench.console.stage import run_stage
from tench.core.files import whole, write_text
from tench.core.names import MODELS
from tench.core.params import Params, load_params
from tench.core.paths import (
    ASKED,
    BACKBONE,
    CHECK,
    CLASSIFIER,
    HEAD,
    MISTAKES,
    MODEL_SUMMARY,
    PREDICTIONS,
    PROBABILITIES,
    SCORES,
    TAPPED,
)
from tench.pictures.asked import CHECKED, some
from tench.pictures.index import Row, labels_of, of_split, read_index, seen_with
from tench.pictures.shards import only, open_shards, read_rows
from tench.scoring.results import worst_mistakes, write_results
from tench.scoring.scores import Outcome, outcome

SHOWN = 12  # mistakes, with their heat maps
COLUMNS = "100"  # of the model's summary


def check_saved(both: Any, rows: list[Row]) -> None:
    """Ask the saved classifier, as `with_activations` gives it, what was asked of it before it was
    saved, of the validation pictures `rows`. Raises TenchError."""
    from tench.network.answers import check_agreement, of_pictures

    asked = some(rows, CHECKED)
    (after,) = of_pictures(asked, lambda batch: both.predict_on_batch(batch)[1:], "check", ASKED)
    what = "the classifier before and after it was saved"
    print(f"{what} agree to {check_agreement(np.load(CHECK), after, asked, what):.1e}")


def evaluate(params: Params, rows: list[Row], classifier: Any) -> dict[str, Outcome]:
    """What the frozen and the fine-tuned model say of the test pictures among all `rows`, once
    the classifier is seen to be the one that was saved. Raises TenchError."""
    from tench.network import classifier as net
    from tench.network.answers import check_agreement, of_activations, of_pictures
    from tench.network.backbone import layer_number, load_backbone, training_cut
    from tench.network.tail import build_tail

    original = load_backbone(BACKBONE, params.backbone.name, params.data.image_size)
    channels, classes = original.output_shape[-1], classifier.output_shape[-1]
    head = net.build_head(params.extract_train, channels, classes)
    head.load_weights(HEAD)
    first = layer_number(original, params.finetune.fine_tune_at)
    cut = training_cut(original, first, params.backbone.tap_at)
    frozen = net.with_output(net.on_activations(build_tail(original, cut), head))
    tuned = net.with_output(net.on_activations(*net.split_classifier(classifier, cut)))
    both = net.with_activations(classifier, cut)
    check_saved(both, of_split(rows, "val"))

    def ask(batch: Any) -> list[Any]:  # up to the cut both models are the same
        entering, finetuned = both.predict_on_batch(batch)
        return [frozen.predict_on_batch(entering), finetuned]

    test = of_split(rows, "test")
    plain = of_pictures(test, ask, "evaluate", ASKED)
    with whole(PROBABILITIES) as part:
        np.save(part, plain[MODELS.index("finetuned")])
    outcomes = {}
    read = partial(read_rows, only(open_shards(TAPPED, rows), test))
    for name, model, slow in zip(MODELS, (frozen, tuned), plain, strict=True):
        quick = of_activations(read, np.arange(len(test)), model)
        what = f"plain Keras and trunk-then-tail ({name})"
        print(f"{what} agree to {check_agreement(slow, quick, test, what):.1e}")
        outcomes[name] = outcome(slow, labels_of(test))
    return outcomes


def draw_mistakes(said: Outcome, rows: list[Row], classifier: Any) -> None:
    """Draw the surest mistakes with their heat maps into metrics/mistakes, as RANK-ROW.jpg: the
    row of predictions.csv, counted from 0."""
    from tench.explaining.gradcam import heat_maps
    from tench.pictures.checked import read_asked
    from tench.pictures.overlay import overlay

    # images alone: `dvc plots show` reports any other file as a plot that failed to load
    MISTAKES.mkdir(parents=True, exist_ok=True)
    places = worst_mistakes(said, SHOWN)
    pictures = [read_asked(rows[place]) for place in places]
    if pictures:
        maps = heat_maps(classifier, np.stack(pictures), said.predicted[places])
        for rank, (place, picture, heat) in enumerate(zip(places, pictures, maps, strict=True), 1):
            overlay(picture, heat).save(MISTAKES / f"{rank:02d}-{place}.jpg", quality=88)


def model_summary(model: Any) -> str:
    """Keras's summary of a model as text, the same on every terminal."""
    os.environ["COLUMNS"] = COLUMNS  # Keras and rich fit the table to the terminal otherwise
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    return "\n".join(line.rstrip() for line in "\n".join(lines).splitlines()) + "\n"


def main() -> None:
    params = load_params()
    from tench.network.classifier import load_classifier

    rows = read_index()
    test = seen_with(of_split(rows, "test"), params.backbone.weights)
    classifier = load_classifier(CLASSIFIER)
    outcomes = evaluate(params, rows, classifier)
    write_results(outcomes, test, params.seed)
    draw_mistakes(outcomes["finetuned"], test, classifier)
    write_text(model_summary(classifier), MODEL_SUMMARY)


if __name__ == "__main__":
    run_stage(main, [SCORES, PREDICTIONS])
