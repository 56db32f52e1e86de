"""extract-train: train the head on the pooled features of the frozen backbone.

In:  data/features/pooled, data/split/index.csv, extract_train, class_weights, seed; with
     extract_train.solver: logistic, models/probe.npy, which then is the head.
Out: models/head.weights.h5, metrics/extract-train/ (loss and accuracy of every epoch).
"""

from pathlib import Path

import numpy as np

from tench.core.params import Params, load_params
from tench.core.paths import EXTRACT_TRAIN, HEAD, POOLED_FEATURES, PROBE
from tench.data.index import class_names, read_index
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def train_head(params: Params, work: Path) -> None:
    """Train the head and write its weights."""
    from tench.model.network.classifier import build_head, with_activation
    from tench.model.network.keras_setup import keras
    from tench.model.network.save import save_weights
    from tench.model.train.loop import feature_count, load_examples, log_single_fit, train_model
    from tench.model.train.training_config import training_config

    settings = params.extract_train
    rows = read_index()
    train, val = load_examples(POOLED_FEATURES, rows)
    keras.utils.set_random_seed(params.seed)
    head = build_head(settings, feature_count(train), len(class_names(rows)))
    how = training_config(settings, params, 0)
    if settings.solver == "logistic":
        fitted = np.load(PROBE)
        head.get_layer("logits").set_weights([fitted[:-1], fitted[-1]])
        log_single_fit(
            with_activation(head), train, val, how.batch_size, how.balanced, EXTRACT_TRAIN
        )
    else:
        output = with_activation(head, settings.output)
        train_model(output, train, val, how, EXTRACT_TRAIN, work, "extract-train")
    save_weights(head, HEAD)


def main() -> None:
    with resume_folder("extract-train") as work:
        train_head(load_params(), work)


if __name__ == "__main__":
    run_stage(main, [HEAD])
