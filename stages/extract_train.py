"""extract-train: train the head on the pooled features of the frozen backbone.

In:  data/features/pooled, data/split/index.csv, extract_train, class_weights, seed; with
     extract_train.solver: logistic, models/probe.npy, which then is the head.
Out: models/head.weights.h5, metrics/extract-train/ (loss and accuracy of every epoch).
"""

from pathlib import Path

import numpy as np

from tench.console.stage import run_stage
from tench.core.params import Params, load_params
from tench.core.paths import EXTRACT_TRAIN, HEAD, POOLED, PROBE
from tench.core.unfinished import unfinished
from tench.pictures.index import class_names, read_index


def extract_train(params: Params, work: Path) -> None:
    """Train the head and write its weights."""
    from tench.network.classifier import build_head, with_output
    from tench.network.runtime import keras
    from tench.network.saving import save_weights
    from tench.training.loop import features_of, fit, log_fitted, stored
    from tench.training.settings import settings_of

    settings = params.extract_train
    rows = read_index()
    train, val = stored(POOLED, rows)
    keras.utils.set_random_seed(params.seed)
    head = build_head(settings, features_of(train), len(class_names(rows)))
    how = settings_of(settings, params, 0)
    if settings.solver == "logistic":
        fitted = np.load(PROBE)
        head.get_layer("logits").set_weights([fitted[:-1], fitted[-1]])
        log_fitted(with_output(head), train, val, how.batch_size, how.balanced, EXTRACT_TRAIN)
    else:
        output = with_output(head, settings.output)
        fit(output, train, val, how, EXTRACT_TRAIN, work, "extract-train")
    save_weights(head, HEAD)


def main() -> None:
    with unfinished("extract-train") as work:
        extract_train(load_params(), work)


if __name__ == "__main__":
    run_stage(main, [HEAD])
