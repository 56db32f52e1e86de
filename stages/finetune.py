"""finetune: train the head and the layers of the backbone from fine_tune_at.

In:  data/features/activations, data/split/index.csv, models/backbone.weights.h5,
     models/head.weights.h5, backbone, extract_train, finetune, class_weights, seed.
Out: models/classifier.keras: the classifier, image to probabilities;
     models/labels.txt: class names, one per line, in the order of the probabilities;
     models/check.npy: predictions for some validation images before the model is saved, which
     evaluate compares with the saved model;
     metrics/finetune/: loss and accuracy per epoch, and with finetune.patience the epoch whose
     weights are kept. If no epoch is significantly better on validation than the head alone,
     fine-tuning is discarded and that is the last epoch before it.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tench.core.files import atomic_file, read_json, write_json, write_text
from tench.core.params import Params, load_params
from tench.core.paths import (
    BACKBONE,
    CACHED_FEATURES,
    CHECK_PROBABILITIES,
    CLASSIFIER,
    FINETUNE,
    FINETUNE_SCORES,
    HEAD,
    LABELS,
)
from tench.data.index import Row, class_names, evenly_spaced, read_index
from tench.data.split.eval_subset import CHECK_IMAGES
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


class FinetuneResult(NamedTuple):
    """The fine-tuned classifier, and facts about it."""

    classifier: Any  # Keras model, image to probabilities
    check_probabilities: NDArray[np.float32]  # of CHECK_IMAGES validation images
    epoch: int  # whose weights it has; the last one before fine-tuning if that was discarded


def finetune_classifier(params: Params, rows: list[Row], work: Path) -> FinetuneResult:
    """Train the top of the backbone and the head, with checkpoints in `work`."""
    from tench.model.network.backbone import load_backbone, resolve_layer_number, training_cut
    from tench.model.network.batch_predict import predict_activations
    from tench.model.network.classifier import (
        assemble_classifier,
        build_head,
        connect_top_and_head,
        with_activation,
    )
    from tench.model.network.keras_setup import keras
    from tench.model.network.trainable_top import build_trainable_top, copy_weights
    from tench.model.train.acceptance import fit_if_better
    from tench.model.train.loop import load_examples
    from tench.model.train.training_config import training_config

    keras.utils.set_random_seed(params.seed)
    name, settings, before = params.backbone.name, params.finetune, params.extract_train.last_epoch
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    first = resolve_layer_number(backbone, settings.fine_tune_at)
    head = build_head(params.extract_train, backbone.output_shape[-1], len(class_names(rows)))
    head.load_weights(HEAD)
    cut = training_cut(backbone, first, params.backbone.cache_at)
    top = build_trainable_top(backbone, cut, first)
    logits = connect_top_and_head(top, head)
    config = training_config(settings, params, before, settings.ema)
    train, val = load_examples(CACHED_FEATURES, rows)
    output = params.extract_train.output
    epoch = fit_if_better(logits, output, train, val, config, FINETUNE, work, "finetune")
    check_rows = evenly_spaced(len(val.labels), CHECK_IMAGES)
    probabilities = predict_activations(val.read, check_rows, with_activation(logits))
    copy_weights(top, backbone)
    for layer in backbone.layers[:first]:
        layer.trainable = False
    return FinetuneResult(assemble_classifier(backbone, name, head), probabilities, epoch)


def record_epoch(epoch: int, before: int) -> None:
    """Print the epoch whose weights are kept, and add it to the metrics."""
    if epoch > before:
        print(f"fine-tuning: the weights of epoch {epoch} are kept")
    else:
        print(
            "fine-tuning discarded: no epoch was significantly better than the head on validation"
        )
    write_json({**read_json(FINETUNE_SCORES), "kept_epoch": epoch}, FINETUNE_SCORES)


def main() -> None:
    params, rows = load_params(), read_index()
    from tench.model.network.save import save_classifier

    with resume_folder("finetune") as work:
        result = finetune_classifier(params, rows, work)
        if params.finetune.patience:
            record_epoch(result.epoch, params.extract_train.last_epoch)
        with atomic_file(CHECK_PROBABILITIES) as part:
            np.save(part, result.check_probabilities)
        save_classifier(result.classifier, CLASSIFIER)
        write_text("\n".join(class_names(rows)) + "\n", LABELS)


if __name__ == "__main__":
    run_stage(main, [CLASSIFIER, CHECK_PROBABILITIES, LABELS])
