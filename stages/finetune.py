"""finetune: train the head and the backbone's layers from fine_tune_at on.

In:  data/features/activations, models/backbone.weights.h5, models/head.weights.h5, finetune,
     class_weights, seed.
Out: models/classifier.keras (image in, probabilities out), models/labels.txt (class names, one a
     line, in the order of the probabilities), models/check.npy (what the model says of some
     validation images before it is saved, for evaluate to ask the saved one), metrics/finetune/
     (loss and accuracy of every epoch; with finetune.patience, the epoch whose weights were kept:
     if none is clearly better on validation than the head alone, the last before fine-tuning).
"""

from pathlib import Path

import numpy as np

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
from tench.data.index import class_names, evenly_spaced, read_index
from tench.data.split.eval_subset import CHECK_IMAGES
from tench.run.resume import resume_folder
from tench.run.runner import run_stage


def finetune_classifier(params: Params, work: Path) -> None:
    """Train the tail and the head and write the classifier."""
    from tench.model.network.backbone import load_backbone, resolve_layer_number, training_cut
    from tench.model.network.batch_predict import predict_activations
    from tench.model.network.classifier import (
        assemble_classifier,
        build_head,
        connect_top_and_head,
        with_activation,
    )
    from tench.model.network.keras_setup import keras
    from tench.model.network.save import save_classifier
    from tench.model.network.trainable_top import build_trainable_top, copy_weights
    from tench.model.train.acceptance import fit_if_better
    from tench.model.train.loop import load_examples
    from tench.model.train.training_config import training_config

    settings, before = params.finetune, params.extract_train.last_epoch
    rows = read_index()
    keras.utils.set_random_seed(params.seed)
    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    first = resolve_layer_number(backbone, settings.fine_tune_at)
    head = build_head(params.extract_train, backbone.output_shape[-1], len(class_names(rows)))
    head.load_weights(HEAD)
    cut = training_cut(backbone, first, params.backbone.cache_at)
    tail = build_trainable_top(backbone, cut, first)
    logits = connect_top_and_head(tail, head)
    how = training_config(settings, params, before, settings.ema)
    train, val = load_examples(CACHED_FEATURES, rows)
    output = params.extract_train.output
    kept = fit_if_better(logits, output, train, val, how, FINETUNE, work, "finetune")
    if settings.patience:
        told = f"epoch {kept}" if kept > before else "the head alone: none was clearly better"
        print(f"kept: {told}")
        write_json({**read_json(FINETUNE_SCORES), "kept_epoch": kept}, FINETUNE_SCORES)
    answers = predict_activations(
        val.read, evenly_spaced(len(val.labels), CHECK_IMAGES), with_activation(logits)
    )
    with atomic_file(CHECK_PROBABILITIES) as part:
        np.save(part, answers)
    copy_weights(tail, backbone)
    for layer in backbone.layers[:first]:
        layer.trainable = False
    save_classifier(assemble_classifier(backbone, name, head), CLASSIFIER)
    write_text("\n".join(class_names(rows)) + "\n", LABELS)


def main() -> None:
    with resume_folder("finetune") as work:
        finetune_classifier(load_params(), work)


if __name__ == "__main__":
    run_stage(main, [CLASSIFIER, CHECK_PROBABILITIES, LABELS])
