"""export: write the classifier for other runtimes, score each model there, and describe it.

In:  models/classifier.keras, data/eval_subset, metrics/ (for the model card), params.yaml.
Out: models/export/:
       float32.tflite, int8.tflite (8-bit integers in the backbone), model.onnx, classifier.keras;
       model.json: inputs, outputs and thresholds;
       README.md: the model card;
       neighbors.*: the reference set, training images for the out-of-distribution threshold;
       serving/: configurations for other servers;
     metrics/export.json: accuracy, size and largest difference of a probability for each model, and
     the effect of the thresholds on the test images.

The images/s of each model are in metrics/throughput.json, which is no output: they differ from run
to run. The stage fails if a float model's predictions differ from the scored ones by more than
1e-4, or if the 8-bit model loses more accuracy than export.max_accuracy_drop.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tench.core.files import atomic_folder, read_json, write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import (
    CLASSIFIER,
    EXPORT,
    EXPORT_SCORES,
    PROBABILITIES,
    SCORES,
    THROUGHPUT,
)
from tench.data.index import Row, class_names, read_index, row_labels, rows_in_split
from tench.data.split.eval_subset import THRESHOLD_IMAGES, evenly_spaced_rows
from tench.data.store.prepared_images import read_eval_image
from tench.deploy.runtime.backends import open_runtime
from tench.deploy.runtime.export_folder import MODEL_FILES
from tench.export.thresholds import evaluate_thresholds, fit_thresholds, reference_distances
from tench.export.verify import Array, check_models, compare_with_keras, model_metrics, predict_rows
from tench.run.runner import run_stage

KERAS_MODEL = "keras"


def export_classifier(
    params: Params, rows: list[Row], folder: Path
) -> tuple[dict[str, Any], dict[str, float]]:
    """Write the export into an empty folder; return its metrics and the images/s of each model."""
    from tench.export.card import write_card
    from tench.export.description import describe_model, write_description
    from tench.export.reference_set import write_reference_set
    from tench.export.server_configs import write_server_configs
    from tench.export.write import predict_with_models, write_models
    from tench.model.network.classifier import load_classifier

    train, val, test = (rows_in_split(rows, split) for split in SPLITS)
    description = describe_model(params, class_names(rows))
    write_models(load_classifier(CLASSIFIER), train, description, folder)

    scored: Array = np.load(PROBABILITIES, mmap_mode="r")
    outputs = predict_with_models(test, folder)
    comparisons = {
        name: compare_with_keras(output.probabilities, scored, test)
        for name, output in outputs.items()
    }
    check_models(comparisons, params.export.max_accuracy_drop)

    with open_runtime("float32", folder / MODEL_FILES["float32"]) as run_model:
        reference_set = write_reference_set(train, run_model, folder)
        threshold_rows = evenly_spaced_rows(val, THRESHOLD_IMAGES)
        probabilities, pooled = predict_rows(threshold_rows, run_model, "export thresholds")
        image = read_eval_image(test[0])
        write_server_configs(run_model(image), len(image), folder)
    distances = reference_distances(reference_set, pooled)
    target = params.export.target_accuracy
    thresholds = fit_thresholds(probabilities, row_labels(threshold_rows), distances, target)
    on_test = outputs["float32"]
    distances = reference_distances(reference_set, on_test.pooled)
    flags = evaluate_thresholds(thresholds, on_test.probabilities, row_labels(test), distances)

    sizes = {name: (folder / file).stat().st_size for name, file in MODEL_FILES.items()}
    metrics: dict[str, Any] = {
        name: model_metrics(comparison, sizes[name]) for name, comparison in comparisons.items()
    }
    accuracy = read_json(SCORES)["finetuned"]["accuracy"]
    metrics[KERAS_MODEL] = {"accuracy": accuracy, "difference": 0.0, "bytes": sizes[KERAS_MODEL]}
    metrics["thresholds"] = flags
    write_card(params, description["classes"], thresholds, metrics, folder)
    write_description(description, folder, thresholds)
    return metrics, {name: output.images_per_second for name, output in outputs.items()}


def main() -> dict[str, str]:
    params = load_params()
    with atomic_folder(EXPORT) as part:
        metrics, speeds = export_classifier(params, read_index(), part)
        write_json(metrics, EXPORT_SCORES)
    write_json({name: round(speed, 1) for name, speed in speeds.items()}, THROUGHPUT)
    rates = ", ".join(f"{name} {speed:.0f}" for name, speed in speeds.items())
    print(f"images/s: {rates}")
    return {"images/s": rates}


if __name__ == "__main__":
    run_stage(main, [EXPORT, EXPORT_SCORES])
