"""evaluate: score the model before and after fine-tuning on the test pictures.

In:  data/prepared, models/classifier.keras, models/backbone.weights.h5, models/head.weights.h5.
Out: metrics/evaluate.json (accuracy and loss of the frozen and of the fine-tuned model, for all
     test pictures and for those the backbone has and has not seen), metrics/confusion.csv (actual
     and predicted class of every test picture).

Every picture goes two ways: through the assembled model in plain Keras, whose scores are kept, and
through the embedding engine and the tail, as in training. The stage fails if they disagree.
"""

import csv
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tench.cli import TenchError, progress, run_stage
from tench.images import read_prepared
from tench.index import FOLDER, Row, class_names, labels_of, of_split, read_index
from tench.params import Params, load_params
from tench.scores import normalised, score

TOLERANCE = 1e-3  # of a probability, between the two ways
BATCH = 32

Probabilities = NDArray[np.float32]


def plain_way(pictures: list[Path], classifier: Any, cut: int, frozen: Any) -> list[Probabilities]:
    """Probabilities of the frozen and of the fine-tuned model, by plain Keras.

    Both models are the same up to layer `cut`, so that part runs once: `frozen` takes up the
    classifier's own activations there.
    """
    from tench.backbone import with_activations

    both = with_activations(classifier, cut)
    results: list[list[Any]] = [[], []]
    for start in progress(
        range(0, len(pictures), BATCH), "evaluate", -(-len(pictures) // BATCH), "batches"
    ):
        batch = np.stack([read_prepared(file) for file in pictures[start : start + BATCH]])
        activations, finetuned = both.predict_on_batch(batch.astype(np.float32))
        results[0].append(frozen.predict_on_batch(activations))
        results[1].append(finetuned)
    return [np.concatenate(parts) for parts in results]


def fast_way(pictures: list[Path], engine: Any, frozen: Any, tuned: Any) -> list[Probabilities]:
    """Probabilities of the frozen and of the fine-tuned model, by trunk and tail."""
    from tench.embedding import embed
    from tench.shards import open_shards, read_rows

    with tempfile.TemporaryDirectory(prefix="activations-", dir="data") as folder:
        embed(pictures, engine, [Path(folder)], "embed test")
        shards = open_shards(Path(folder))
        parts = np.array_split(np.arange(len(pictures)), -(-len(pictures) // BATCH))
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


def evaluate(params: Params) -> tuple[dict[str, object], Probabilities]:
    """Score both models; return the metrics and the fine-tuned model's probabilities."""
    from tench import backbone as net
    from tench.embedding import make_engine
    from tench.runtime import keras

    rows = of_split(read_index(), "test")
    size = params.data.image_size
    classifier = keras.models.load_model("models/classifier.keras", compile=False)
    original = net.load_backbone(Path("models/backbone.weights.h5"), size)
    head = net.build_head(params.extract_train, classifier.output_shape[-1])
    head.load_weights("models/head.weights.h5")
    cut = net.training_cut(original, params.finetune.fine_tune_at, params.backbone.tap_at)
    frozen = net.on_activations(net.build_tail(original, cut), head)
    tuned = net.on_activations(*net.split_classifier(classifier, cut))
    engine = make_engine(net.build_trunk(original, cut), params.backbone.engine)

    pictures = [FOLDER / row.path for row in rows]
    plain = plain_way(pictures, classifier, cut, frozen)
    fast = fast_way(pictures, engine, frozen, tuned)
    labels, seen = labels_of(rows), np.array([bool(row.seen) for row in rows])
    metrics: dict[str, object] = {}
    for name, slow, quick in zip(("frozen", "finetuned"), plain, fast, strict=True):
        worst = check_agreement(slow, quick, rows, name)
        metrics[name] = score(normalised(slow, params.extract_train.activation), labels, seen)
        print(f"{name}: plain Keras and trunk-then-tail agree to {worst:.1e}")
    return metrics, plain[1]


def write_confusion(rows: list[Row], probabilities: Probabilities, file: Path) -> None:
    """Write actual and predicted class name of every picture as CSV."""
    names = class_names(rows)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["actual", "predicted"])
        for row, predicted in zip(rows, probabilities.argmax(axis=1), strict=True):
            writer.writerow([row.class_name, names[predicted]])


def main() -> None:
    metrics, probabilities = evaluate(load_params())
    text = json.dumps(metrics, indent=2) + "\n"
    Path("metrics/evaluate.json").write_text(text, encoding="utf-8")
    write_confusion(of_split(read_index(), "test"), probabilities, Path("metrics/confusion.csv"))


if __name__ == "__main__":
    run_stage(main)
