"""finetune: train the head and the backbone's layers from fine_tune_at on.

In:  data/features/tapped, models/backbone.weights.h5, models/head.weights.h5, finetune, seed;
     data/prepared, whose pictures are needed again where fine_tune_at lies before tap_at.
Out: models/classifier.keras (picture in, probabilities out), models/labels.txt (class names, one a
     line, in the order of the probabilities), metrics/finetune/ (loss and accuracy of every epoch,
     the model's summary).
"""

from pathlib import Path

from tench.cli import run_stage
from tench.index import class_names, labels_of, of_split, read_index
from tench.params import Params, load_params


def finetune(params: Params) -> None:
    """Train the tail and the head and write the classifier."""
    from tench import backbone as net
    from tench.embedding import activations
    from tench.model_figure import summary_svg
    from tench.runtime import keras
    from tench.training import Epochs, fit, stored

    settings, before = params.finetune, params.extract_train.epochs
    rows = read_index()
    keras.utils.set_random_seed(params.seed)
    backbone = net.load_backbone(Path("models/backbone.weights.h5"), params.data.image_size)
    head = net.build_head(params.extract_train, len(class_names(rows)))
    head.load_weights("models/head.weights.h5")
    cut = net.training_cut(backbone, settings.fine_tune_at, params.backbone.tap_at)
    tail = net.trainable_tail(backbone, cut, settings.fine_tune_at)
    with activations(backbone, cut, params, rows, ("train", "val")) as folder:
        train, val = (
            stored(folder / split, labels_of(of_split(rows, split))) for split in ("train", "val")
        )
        fit(
            net.on_activations(tail, head),
            train,
            val,
            Epochs(before + 1, before + settings.epochs),
            settings.learning_rate,
            settings.batch_size,
            params.seed,
            Path("metrics/finetune"),
            "finetune",
            settings.average_weights,
        )
    net.copy_weights(tail, backbone)
    for layer in backbone.layers[: settings.fine_tune_at]:
        layer.trainable = False
    classifier = net.assemble(backbone, head)
    net.save_classifier(classifier, Path("models/classifier.keras"))
    Path("models/labels.txt").write_text("\n".join(class_names(rows)) + "\n", encoding="utf-8")
    Path("metrics/finetune/model.svg").write_text(summary_svg(classifier), encoding="utf-8")


def main() -> None:
    finetune(load_params())


if __name__ == "__main__":
    run_stage(main)
