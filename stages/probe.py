"""probe: fit a logistic regression to the pooled features, the mark for all that follows.

In:  data/features/pooled, data/split/index.csv, backbone.weights (whether they may have seen
     an image), class_weights, seed.
Out: models/probe.npy, float32 (1281, classes): its kernel and, in the last row, its bias;
     metrics/probe.json (its scores on the validation and test images, and how strongly it is
     regularized: chosen by cross-validation on the training images).
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
    """Fit to the training images; return the regression and what metrics/probe.json holds."""
    balanced = params.class_weights == "balanced"
    rows = seen_with(rows, params.backbone.weights)
    parts = {split: rows_in_split(rows, split) for split in SPLITS}
    shards = open_shards(POOLED_FEATURES, rows)
    stored = {split: select_rows(shards, part) for split, part in parts.items()}
    linear, strength = fit_linear_probe(
        stored["train"], row_labels(parts["train"]), balanced, params.seed
    )
    scores: dict[str, Any] = {"strength": strength}
    for split in ("val", "test"):
        said = evaluate_predictions(
            predict_stored_rows(linear, stored[split]), row_labels(parts[split])
        )
        scores[split] = score_predictions(said, seen_mask(parts[split]), params.seed)
    return linear, scores


def main() -> None:
    linear, scores = probe_splits(load_params(), read_index())
    with atomic_file(PROBE) as part:
        np.save(part, np.vstack([linear.kernel, linear.bias]))
    write_json(scores, PROBE_SCORES)
    print("accuracy {:.3f} val, {:.3f} test".format(*(scores[s]["accuracy"] for s in SPLITS[1:])))


if __name__ == "__main__":
    run_stage(main, [PROBE, PROBE_SCORES])
