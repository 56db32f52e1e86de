"""evaluate: score the model before and after fine-tuning on the test pictures.

In:  data/prepared, data/features/tapped, models/classifier.keras, models/backbone.weights.h5,
     models/head.weights.h5, seed (of the bootstrap).
Out: metrics/evaluate.json (accuracy and loss of the frozen and of the fine-tuned model with their
     95 % intervals, for all test pictures and for those the backbone has and has not seen;
     calibration; whether the two models differ), metrics/predictions.csv (what both say of every
     test picture), metrics/per_class.csv, metrics/calibration/, metrics/mistakes/ (the surest
     mistakes, and where the model looked).

Every picture goes two ways: through the assembled model in plain Keras, whose scores are kept, and
through the stored activations and the tail, as in training. The stage fails if they disagree.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench import results
from tench.cli import TenchError, progress, run_stage
from tench.history import METRICS, MODELS
from tench.images import read_prepared
from tench.index import FOLDER, Row, labels_of, of_split, read_index
from tench.params import Params, load_params
from tench.scores import Outcome, normalised, outcome
from tench.tables import write_csv

TOLERANCE = 1e-3  # of a probability, between the two ways
BATCH = 32
MISTAKES = 12  # shown with their heat maps

Probabilities = NDArray[np.float32]


def plain_way(pictures: list[Path], classifier: Any, cut: int, frozen: Any) -> list[Probabilities]:
    """Probabilities of the frozen and of the fine-tuned model, by plain Keras.

    Both models are the same up to layer `cut`, so that part runs once: `frozen` takes up the
    classifier's own activations there.
    """
    from tench.backbone import with_activations

    both = with_activations(classifier, cut)
    parts: list[list[Any]] = [[], []]
    for start in progress(
        range(0, len(pictures), BATCH), "evaluate", -(-len(pictures) // BATCH), "batches"
    ):
        batch = np.stack([read_prepared(file) for file in pictures[start : start + BATCH]])
        activations, finetuned = both.predict_on_batch(batch.astype(np.float32))
        parts[0].append(frozen.predict_on_batch(activations))
        parts[1].append(finetuned)
    return [np.concatenate(part) for part in parts]


def fast_way(folder: Path, pictures: int, frozen: Any, tuned: Any) -> list[Probabilities]:
    """Probabilities of the frozen and of the fine-tuned model, from stored activations."""
    from tench.shards import open_shards, read_rows

    shards = open_shards(folder)
    parts = np.array_split(np.arange(pictures), -(-pictures // BATCH))
    return [
        np.concatenate([model.predict_on_batch(read_rows(shards, part)) for part in parts])
        for model in (frozen, tuned)
    ]


def check_agreement(
    plain: Probabilities, fast: Probabilities, rows: list[Row], model: str
) -> float:
    """Return the largest difference of any probability. Raises TenchError if it is too large."""
    difference = np.abs(plain - fast)
    worst = float(difference.max())
    if not worst <= TOLERANCE:
        path = rows[int(difference.max(axis=1).argmax())].path
        raise TenchError(
            f"{FOLDER / path}: the assembled {model} model and trunk-then-tail disagree by "
            f"{worst:.2g} in a probability, more than {TOLERANCE}; the scores would not be those "
            "of the model that was trained. Run `dvc repro -f` and report it if it comes back"
        )
    return worst


def evaluate(params: Params, rows: list[Row], classifier: Any) -> dict[str, Outcome]:
    """What the frozen and the fine-tuned model say of the test pictures `rows`."""
    from tench import backbone as net
    from tench.embedding import activations

    original = net.load_backbone(Path("models/backbone.weights.h5"), params.data.image_size)
    head = net.build_head(params.extract_train, classifier.output_shape[-1])
    head.load_weights("models/head.weights.h5")
    cut = net.training_cut(original, params.finetune.fine_tune_at, params.backbone.tap_at)
    frozen = net.on_activations(net.build_tail(original, cut), head)
    tuned = net.on_activations(*net.split_classifier(classifier, cut))

    plain = plain_way([FOLDER / row.path for row in rows], classifier, cut, frozen)
    with activations(original, cut, params, rows, ("test",)) as folder:
        fast = fast_way(folder / "test", len(rows), frozen, tuned)
    outcomes = {}
    for model, slow, quick in zip(MODELS, plain, fast, strict=True):
        worst = check_agreement(slow, quick, rows, model)
        distribution = normalised(slow, params.extract_train.activation)
        outcomes[model] = outcome(distribution, labels_of(rows))
        print(f"{model}: plain Keras and trunk-then-tail agree to {worst:.1e}")
    return outcomes


def draw_mistakes(said: Outcome, rows: list[Row], classifier: Any, folder: Path) -> None:
    """Draw the surest mistakes with their heat maps into `folder`, as RANK-ROW.jpg: the row
    of predictions.csv, counted from 0."""
    from tench.gradcam import heat_maps, overlay

    folder.mkdir(parents=True, exist_ok=True)
    places = results.worst_mistakes(said, MISTAKES)
    pictures = [read_prepared(FOLDER / rows[place].path) for place in places]
    if pictures:
        maps = heat_maps(classifier, np.stack(pictures), said.predicted[places])
        for rank, (place, picture, heat) in enumerate(zip(places, pictures, maps, strict=True), 1):
            overlay(picture, heat).save(folder / f"{rank:02d}-{place}.jpg", quality=88)


def write_tables(outcomes: dict[str, Outcome], rows: list[Row]) -> None:
    """Write the tables of predictions, classes and calibration."""
    said = outcomes["finetuned"]
    tables = {
        "predictions": results.prediction_rows(outcomes, rows),
        "per_class": results.class_rows(said, rows),
        **{f"calibration/{model}": results.calibration_rows(outcomes[model]) for model in outcomes},
    }
    for name, table in tables.items():
        write_csv(table[0], (row.values() for row in table), METRICS / f"{name}.csv")


def main() -> None:
    params = load_params()
    from tench.runtime import keras

    everything = read_index()
    rows = of_split(everything, "test")
    classifier = keras.models.load_model("models/classifier.keras", compile=False)
    outcomes = evaluate(params, rows, classifier)
    metrics = results.summarise(outcomes, rows, params.seed)
    text = json.dumps(metrics, indent=2) + "\n"
    write_tables(outcomes, rows)
    (METRICS / "evaluate.json").write_text(text, encoding="utf-8")
    draw_mistakes(outcomes["finetuned"], rows, classifier, METRICS / "mistakes")


if __name__ == "__main__":
    run_stage(main)
