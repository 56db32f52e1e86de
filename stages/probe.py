"""probe: fit a logistic regression to the pooled features, the mark for all that follows.

In:  data/features/pooled, data/split/index.csv, backbone.weights (whether they may have seen
     an image), class_weights, seed.
Out: models/probe.npy, float32 (1281, classes): its kernel and, in the last row, its bias;
     metrics/probe.json (its scores on the validation and test pictures, and how strongly it is
     regularised: chosen by cross-validation on the training pictures).
"""

from typing import Any

import numpy as np

from tench.console.stage import run_stage
from tench.core.files import whole, write_json
from tench.core.names import SPLITS
from tench.core.params import Params, load_params
from tench.core.paths import POOLED, PROBE, PROBE_SCORES
from tench.pictures.index import Row, labels_of, of_split, read_index, seen_of, seen_with
from tench.pictures.shards import only, open_shards
from tench.probing.logistic import Linear, answers, probe
from tench.scoring.scores import outcome, score


def probe_splits(params: Params, rows: list[Row]) -> tuple[Linear, dict[str, Any]]:
    """Fit to the training pictures; return the regression and what metrics/probe.json holds."""
    balanced = params.class_weights == "balanced"
    rows = seen_with(rows, params.backbone.weights)
    parts = {split: of_split(rows, split) for split in SPLITS}
    shards = open_shards(POOLED, rows)
    stored = {split: only(shards, part) for split, part in parts.items()}
    linear, strength = probe(stored["train"], labels_of(parts["train"]), balanced, params.seed)
    scores: dict[str, Any] = {"strength": strength}
    for split in ("val", "test"):
        said = outcome(answers(linear, stored[split]), labels_of(parts[split]))
        scores[split] = score(said, seen_of(parts[split]), params.seed)
    return linear, scores


def main() -> None:
    linear, scores = probe_splits(load_params(), read_index())
    with whole(PROBE) as part:
        np.save(part, np.vstack([linear.kernel, linear.bias]))
    write_json(scores, PROBE_SCORES)
    print("accuracy {:.3f} val, {:.3f} test".format(*(scores[s]["accuracy"] for s in SPLITS[1:])))


if __name__ == "__main__":
    run_stage(main, [PROBE, PROBE_SCORES])
