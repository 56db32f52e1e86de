"""probe: fit a linear probe, a logistic regression on the pooled features.

In:  data/features/pooled, data/split/index.csv, backbone.weights (whether the backbone has seen an
     image), class_weights, seed.
Out: models/probe.npy: kernel, and bias in the last row, float32 (channels + 1, classes);
     metrics/probe.json: scores on the validation and test images, and the regularization strength,
     chosen by cross-validation on the training images.
"""

from typing import Any

import numpy as np

from tench.core.files import atomic_file, write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import POOLED_FEATURES, PROBE, PROBE_SCORES
from tench.data.index import Row, read_index, row_labels, rows_in_split, seen_mask, seen_with
from tench.data.store.shards import open_shards, select_rows
from tench.evaluate.scores import evaluate_predictions, score_predictions
from tench.model.linear_probe import LinearProbe, fit_linear_probe, predict_stored_rows
from tench.run.runner import run_stage


def probe_splits(params: Params, rows: list[Row]) -> tuple[LinearProbe, dict[str, Any]]:
    """Fit the probe on the training images; return it and its metrics."""
    balanced = params.class_weights == "balanced"
    rows = seen_with(rows, params.backbone.weights)
    parts = {split: rows_in_split(rows, split) for split in SPLITS}
    shards = open_shards(POOLED_FEATURES, rows)
    stored = {split: select_rows(shards, part) for split, part in parts.items()}
    probe, strength = fit_linear_probe(
        stored["train"], row_labels(parts["train"]), balanced, params.seed
    )
    scores: dict[str, Any] = {"strength": strength}
    for split in ("val", "test"):
        probabilities = predict_stored_rows(probe, stored[split])
        predictions = evaluate_predictions(probabilities, row_labels(parts[split]))
        scores[split] = score_predictions(predictions, seen_mask(parts[split]), params.seed)
    return probe, scores


def main() -> None:
    probe, scores = probe_splits(load_params(), read_index())
    with atomic_file(PROBE) as part:
        np.save(part, np.vstack([probe.kernel, probe.bias]))
    write_json(scores, PROBE_SCORES)
    print("accuracy {:.3f} val, {:.3f} test".format(*(scores[s]["accuracy"] for s in SPLITS[1:])))


if __name__ == "__main__":
    run_stage(main, [PROBE, PROBE_SCORES])
