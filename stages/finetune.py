"""finetune: train the head and the backbone's layers from fine_tune_at on.

In:  data/features/tapped, models/backbone.weights.h5, models/head.weights.h5, finetune,
     class_weights, seed.
Out: models/classifier.keras (picture in, probabilities out), models/labels.txt (class names, one a
     line, in the order of the probabilities), models/check.npy (what the model says of some
     validation pictures before it is saved, for evaluate to ask the saved one), metrics/finetune/
     (loss and accuracy of every epoch; with finetune.patience, the epoch whose weights were kept:
     if none is clearly better on validation than the head alone, the last before fine-tuning).
"""

from pathlib import Path

import numpy as np

from tench.console.stage import run_stage
from tench.core.files import read_json, whole, write_json, write_text
from tench.core.params import Params, load_params
from tench.core.paths import (
    BACKBONE,
    CHECK,
    CLASSIFIER,
    FINETUNE,
    FINETUNE_SCORES,
    HEAD,
    LABELS,
    TAPPED,
)
from tench.core.unfinished import unfinished
from tench.pictures.asked import CHECKED
from tench.pictures.index import class_names, evenly, read_index


def finetune(params: Params, work: Path) -> None:
    """Train the tail and the head and write the classifier."""
    from tench.network.answers import of_activations
    from tench.network.backbone import layer_number, load_backbone, training_cut
    from tench.network.classifier import assemble, build_head, on_activations, with_output
    from tench.network.runtime import keras
    from tench.network.saving import save_classifier
    from tench.network.tail import copy_weights, trainable_tail
    from tench.training.keeping import fit_if_better
    from tench.training.loop import stored
    from tench.training.settings import settings_of

    settings, before = params.finetune, params.extract_train.last_epoch
    rows = read_index()
    keras.utils.set_random_seed(params.seed)
    name = params.backbone.name
    backbone = load_backbone(BACKBONE, name, params.data.image_size)
    first = layer_number(backbone, settings.fine_tune_at)
    head = build_head(params.extract_train, backbone.output_shape[-1], len(class_names(rows)))
    head.load_weights(HEAD)
    cut = training_cut(backbone, first, params.backbone.tap_at)
    tail = trainable_tail(backbone, cut, first)
    logits = on_activations(tail, head)
    how = settings_of(settings, params, before, settings.average_weights)
    train, val = stored(TAPPED, rows)
    output = params.extract_train.output
    kept = fit_if_better(logits, output, train, val, how, FINETUNE, work, "finetune")
    if settings.patience:
        told = f"epoch {kept}" if kept > before else "the head alone: none was clearly better"
        print(f"kept: {told}")
        write_json({**read_json(FINETUNE_SCORES), "kept_epoch": kept}, FINETUNE_SCORES)
    answers = of_activations(val.read, evenly(len(val.labels), CHECKED), with_output(logits))
    with whole(CHECK) as part:
        np.save(part, answers)
    copy_weights(tail, backbone)
    for layer in backbone.layers[:first]:
        layer.trainable = False
    save_classifier(assemble(backbone, name, head), CLASSIFIER)
    write_text("\n".join(class_names(rows)) + "\n", LABELS)


def main() -> None:
    with unfinished("finetune") as work:
        finetune(load_params(), work)


if __name__ == "__main__":
    run_stage(main, [CLASSIFIER, CHECK, LABELS])
