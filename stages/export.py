"""export: write the classifier for other runtimes, score each there, and describe it.

In:  models/classifier.keras, data/asked, metrics/ (for the model card), params.yaml.
Out: models/export/, a folder to be carried away: the classifier as LiteRT (float32.tflite, and
     int8.tflite with its backbone in 8-bit integers), as ONNX (model.onnx) and as Keras
     (classifier.keras); model.json, what it wants and says and when to doubt it; README.md, the
     model card; neighbours.*, training pictures to tell strangers by; serving/, configurations for
     other servers;
     metrics/export.json (accuracy and size of every model, its largest difference of a probability,
     and what doubting does to the test pictures).

How many pictures a second each answers is in metrics/throughput.json, which DVC compares, but which
is no output: it differs from run to run. The stage fails if a model in floats does not answer as
the classifier was scored (to 1e-4), or if the one in 8 bits loses more accuracy than
export.max_drop.
"""

from pathlib import Path

import numpy as np

from tench.console.stage import run_stage
from tench.core.files import read_json, whole_folder, write_json
from tench.core.params import Params, load_params
from tench.core.paths import (
    CLASSIFIER,
    EXPORT,
    EXPORT_SCORES,
    PROBABILITIES,
    SCORES,
    THROUGHPUT,
)
from tench.exported.folder import MODELS
from tench.exported.runtimes import runtime
from tench.exporting.scoring import Array, check, compare, figures, said_of
from tench.exporting.trusting import distances, trust_of, trusted
from tench.pictures.asked import DOUBTED, some
from tench.pictures.checked import read_asked
from tench.pictures.index import Row, class_names, labels_of, of_split, read_index

KERAS = "keras"


def export(params: Params, rows: list[Row], folder: Path) -> dict[str, float]:
    """Write the export into an empty folder, and its figures; return each model's pictures/s."""
    from tench.exporting.card import write_card
    from tench.exporting.description import complete, describe
    from tench.exporting.known import write_known
    from tench.exporting.models import ask_models, write_models
    from tench.exporting.serving import write_configurations
    from tench.network.classifier import load_classifier

    train, val, test = (of_split(rows, split) for split in ("train", "val", "test"))
    classifier = load_classifier(CLASSIFIER)
    description = describe(params, class_names(rows))
    write_models(classifier, train, description, folder)

    scored: Array = np.load(PROBABILITIES, mmap_mode="r")
    asked = ask_models(test, folder)
    compared = {name: compare(one.probabilities, scored, test) for name, one in asked.items()}
    check(compared, params.export.max_drop)

    with runtime("float32", folder / MODELS["float32"]) as ask:
        known = write_known(train, ask, folder)
        held = some(val, DOUBTED)
        said, pooled = said_of(held, ask, "export doubts")
        one = read_asked(test[0])
        write_configurations(ask(one), len(one), folder)
    accuracy = params.export.trusted_accuracy
    trust = trust_of(said, labels_of(held), distances(known, pooled), accuracy)
    on_test = asked["float32"]
    doubted = trusted(
        trust, on_test.probabilities, labels_of(test), distances(known, on_test.pooled)
    )

    sizes = {name: (folder / file).stat().st_size for name, file in MODELS.items()}
    found = {name: figures(one, sizes[name]) for name, one in compared.items()}
    was = read_json(SCORES)["finetuned"]["accuracy"]
    found[KERAS] = {"accuracy": was, "difference": 0.0, "bytes": sizes[KERAS]}
    found["trust"] = doubted
    write_card(params, description["classes"], trust, found, folder)
    complete(description, folder, trust)
    write_json(found, EXPORT_SCORES)
    return {name: one.speed for name, one in asked.items()}


def main() -> dict[str, str]:
    params = load_params()
    with whole_folder(EXPORT) as part:
        speeds = export(params, read_index(), part)
    write_json({name: round(speed, 1) for name, speed in speeds.items()}, THROUGHPUT)
    told = ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    print(f"pictures/s: {told}")
    return {"pictures/s": told}


if __name__ == "__main__":
    run_stage(main, [EXPORT, EXPORT_SCORES])
