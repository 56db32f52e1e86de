"""extract-train: train the head on the pooled features of the frozen backbone.

In:  data/features/pooled, data/split/index.csv, extract_train, class_weights, seed; with
     extract_train.solver: logistic, the linear probe in models/probe.npy, which becomes the head.
Out: models/head.weights.h5;
     metrics/extract-train/: loss and accuracy per epoch.
"""

from pathlib import Path
from typing import Any

import numpy as np

from tench.core.params import Params, load_params
from tench.core.paths import EXTRACT_TRAIN, HEAD, POOLED_FEATURES, PROBE
from tench.data.index import class_names, read_index
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def train_head(params: Params, work: Path) -> Any:
    """Train the head, with checkpoints in `work`; return it."""
    from tench.model.network.classifier import build_head, with_activation
    from tench.model.network.keras_setup import keras
    from tench.model.train.loop import feature_count, load_examples, log_single_fit, train_model
    from tench.model.train.training_config import training_config

    settings = params.extract_train
    rows = read_index()
    train, val = load_examples(POOLED_FEATURES, rows)
    keras.utils.set_random_seed(params.seed)
    head = build_head(settings, feature_count(train), len(class_names(rows)))
    config = training_config(settings, params, 0)
    if settings.solver == "logistic":
        probe = np.load(PROBE)
        head.get_layer("logits").set_weights([probe[:-1], probe[-1]])
        log_single_fit(
            with_activation(head), train, val, config.batch_size, config.balanced, EXTRACT_TRAIN
        )
    else:
        model = with_activation(head, settings.output)
        train_model(model, train, val, config, EXTRACT_TRAIN, work, "extract-train")
    return head


def main() -> None:
    from tench.model.network.save import save_weights

    with resume_folder("extract-train") as work:
        save_weights(train_head(load_params(), work), HEAD)


if __name__ == "__main__":
    run_stage(main, [HEAD])
