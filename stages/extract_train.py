"""extract-train: train the head on the pooled features of the frozen backbone.

In:  data/features/pooled, data/prepared/index.csv, extract_train, seed.
Out: models/head.weights.h5, metrics/extract-train/ (loss and accuracy of every epoch).
"""

from pathlib import Path

from tench.cli import run_stage
from tench.index import class_names, labels_of, of_split, read_index
from tench.params import Params, load_params

HEAD = Path("models/head.weights.h5")


def extract_train(params: Params) -> None:
    """Train the head and write its weights."""
    from tench.backbone import build_head
    from tench.runtime import keras
    from tench.training import Epochs, fit, stored

    settings = params.extract_train
    rows = read_index()
    train, val = (
        stored(Path("data/features/pooled", split), labels_of(of_split(rows, split)))
        for split in ("train", "val")
    )
    keras.utils.set_random_seed(params.seed)
    head = build_head(settings, len(class_names(rows)))
    fit(
        head,
        train,
        val,
        Epochs(1, settings.epochs),
        settings.learning_rate,
        settings.batch_size,
        params.seed,
        Path("metrics/extract-train"),
        "extract-train",
    )
    head.save_weights(HEAD)


def main() -> None:
    extract_train(load_params())


if __name__ == "__main__":
    run_stage(main)
