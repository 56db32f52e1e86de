"""Accuracy of the recipes on subsets of a data set, from features embedded once.

    python -m benchmarks.subsets [--seeds 0 1 2] [--out results.csv]

Needs a project after `dvc repro embed`. The published table uses all of Imagenette with
`data.image_size: 224`. Each cell draws some classes and training images per class, and a quarter as
many validation images (at least two). It is scored on test and validation images that it has not
drawn. Training uses the code of the stages. Writes one row per cell.
"""

import argparse
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import stages  # noqa: F401  pins the CPU kernels
from tench.core.files import write_csv
from tench.core.params import Params, load_params
from tench.core.paths import BACKBONE, CACHED_FEATURES, POOLED_FEATURES
from tench.data.index import read_index, row_labels, rows_in_split
from tench.data.store.shards import Shards, open_shards, read_rows, select_rows
from tench.model import linear_probe

CLASS_COUNTS, IMAGES_PER_CLASS = (2, 10), (5, 20, 100, 0)  # 0: all
MAX_TEST_IMAGES = 1500  # maximum number of images
RESULT_COLUMNS = ("classes", "images", "smallest", "seed", "train", "val", "test")
MODEL_NAMES = ("regression", "recipe", "paper_head", "paper")

ImageIndices = list[tuple[str, int]]  # split and row of each image


class SubsetSplit(NamedTuple):
    """A subset: indices and labels of its images."""

    train: ImageIndices
    val: ImageIndices
    test: ImageIndices
    labels: dict[str, NDArray[np.int32]]


def draw_subset(
    labels: dict[str, NDArray[np.int32]], classes: int, counts: Sequence[int], seed: int
) -> SubsetSplit:
    """Draw classes, and `counts` training images of each (0: all)."""
    rng = np.random.default_rng((classes, max(counts), seed))
    parts: dict[str, list[tuple[str, int, int]]] = {"train": [], "val": [], "test": []}
    for label, source in enumerate(rng.permutation(10)[:classes]):
        rows = {split: rng.permutation(np.flatnonzero(labels[split] == source)) for split in labels}
        wanted = counts[label] or len(rows["train"])
        watched = min(max(2, wanted // 4), len(rows["val"])) if counts[label] else len(rows["val"])
        parts["train"] += [("train", n, label) for n in rows["train"][:wanted]]
        parts["val"] += [("val", n, label) for n in rows["val"][:watched]]
        parts["test"] += [("test", n, label) for n in rows["test"]]
        parts["test"] += [("val", n, label) for n in rows["val"][watched:]]
    tested = sorted(rng.permutation(len(parts["test"]))[:MAX_TEST_IMAGES])
    parts["test"] = [parts["test"][index] for index in tested]
    indices = {name: [(split, int(n)) for split, n, _ in part] for name, part in parts.items()}
    truth = {name: np.array([n for *_, n in part], np.int32) for name, part in parts.items()}
    return SubsetSplit(**indices, labels=truth)


def read_stored_rows(
    stored: dict[str, Shards], images: ImageIndices, rows: NDArray[np.int64]
) -> NDArray[Any]:
    """Read the stored rows at some indices."""
    chosen = [images[row] for row in rows]
    return np.concatenate([read_rows(stored[split], np.array([n])) for split, n in chosen])


class SubsetFeatures(NamedTuple):
    """A cell's images as `embed` stored them: pooled features or activations."""

    cell: SubsetSplit
    stored: dict[str, Shards]

    def examples(self, part: str) -> Any:
        from tench.model.train.loop import Examples

        images = getattr(self.cell, part)
        return Examples(partial(read_stored_rows, self.stored, images), self.cell.labels[part])

    def rows(self, part: str) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Read all rows of a split and their labels."""
        data = self.examples(part)
        return data.read(np.arange(len(data.labels))).astype(np.float32), data.labels

    def accuracy(self, logits: Any) -> float:
        """Compute the balanced test accuracy of a model."""
        from tench.model.train.acceptance import predict_correct

        return balanced_accuracy(
            predict_correct(logits, self.examples("test")), self.cell.labels["test"]
        )


def balanced_accuracy(right: NDArray[np.bool_], labels: NDArray[np.int32]) -> float:
    """Compute the mean recall over classes."""
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def run_regression(pooled: SubsetFeatures, balanced: bool) -> float:
    """Score scikit-learn's LogisticRegressionCV on the pooled features."""
    from sklearn.linear_model import LogisticRegressionCV

    (train, labels), (test, truth) = pooled.rows("train"), pooled.rows("test")
    model = LogisticRegressionCV(
        Cs=10,
        l1_ratios=(0,),
        cv=min(5, int(np.bincount(labels).min())),
        scoring="neg_log_loss",
        max_iter=500,
        class_weight="balanced" if balanced else None,
        use_legacy_attributes=False,
        n_jobs=-1,
    ).fit(train, labels)
    return balanced_accuracy(model.predict(test) == truth, truth)


def build_models(params: Params, classes: int, solver: str) -> tuple[Any, Any]:
    """Build a head (pooled features to logits) and the trainable top (activations to logits)."""
    from tench.model.network.backbone import cache_cut, load_backbone, resolve_layer_number
    from tench.model.network.classifier import build_head, connect_top_and_head
    from tench.model.network.keras_setup import keras
    from tench.model.network.trainable_top import build_trainable_top

    keras.backend.clear_session()
    keras.utils.set_random_seed(params.seed)
    backbone = load_backbone(BACKBONE, params.backbone.name, params.data.image_size)
    settings = params.extract_train.model_copy(update={"solver": solver})
    head = build_head(settings, backbone.output_shape[-1], classes)
    cut = cache_cut(backbone, params.backbone.cache_at)
    tail = build_trainable_top(
        backbone, cut, resolve_layer_number(backbone, params.finetune.fine_tune_at)
    )
    return head, connect_top_and_head(tail, head)


def run_recipe(
    pooled: SubsetFeatures,
    activations: SubsetFeatures,
    params: Params,
    classes: int,
    balanced: bool,
) -> float:
    """Score the recipe: a linear head, fine-tuned if validation is significantly better."""
    from tench.model.train.acceptance import fit_if_better
    from tench.model.train.training_config import TrainingConfig

    seed = params.seed
    linear, _ = linear_probe.fit_with_selected_strength(*pooled.rows("train"), balanced, seed)
    head, logits = build_models(params, classes, "logistic")
    head.get_layer("logits").set_weights(linear)
    config = TrainingConfig(2, 21, 3e-4, 32, seed, True, balanced, 30, 3)
    train, val = activations.examples("train"), activations.examples("val")
    with tempfile.TemporaryDirectory() as folder:
        fit_if_better(
            logits,
            "softmax",
            train,
            val,
            config,
            Path(folder, "log"),
            Path(folder, "work"),
            "recipe",
        )
    return activations.accuracy(logits)


def run_paper(
    pooled: SubsetFeatures, activations: SubsetFeatures, params: Params, classes: int
) -> dict[str, float]:
    """Score the paper's head and its fine-tuning, three epochs each."""
    from tench.model.network.classifier import with_activation
    from tench.model.train.loop import train_model
    from tench.model.train.training_config import TrainingConfig

    head, logits = build_models(params, classes, "adam")
    scores = {}
    parts = (("paper_head", pooled, head, 0), ("paper", activations, logits, 3))
    for name, features, model, before in parts:
        config = TrainingConfig(before + 1, before + 3, 1e-4, 32, params.seed, ema=before > 0)
        train, val = features.examples("train"), features.examples("val")
        with tempfile.TemporaryDirectory() as folder:
            train_model(
                with_activation(model, "sigmoid"),
                train,
                val,
                config,
                Path(folder, "log"),
                Path(folder, "work"),
                name,
            )
        scores[name] = features.accuracy(model)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("subsets.csv"), help="CSV file to write")
    options = parser.parse_args()
    params, rows = load_params(), read_index()
    parts = {split: rows_in_split(rows, split) for split in ("train", "val", "test")}
    labels = {split: row_labels(part) for split, part in parts.items()}
    stored = {
        name: {split: select_rows(open_shards(folder, rows), part) for split, part in parts.items()}
        for name, folder in (("pooled", POOLED_FEATURES), ("activations", CACHED_FEATURES))
    }
    cells = [
        (c, [n] * c, seed) for n in IMAGES_PER_CLASS for c in CLASS_COUNTS for seed in options.seeds
    ]
    skewed = [round(100 * 20 ** (-n / 9)) for n in range(10)]  # 1 : 20
    cells += [(10, skewed, seed) for seed in options.seeds]
    table: list[tuple[object, ...]] = []
    for classes, counts, seed in cells:
        cell = draw_subset(labels, classes, counts, seed)
        settings = params.model_copy(update={"seed": seed})
        both = [SubsetFeatures(cell, stored[name]) for name in ("pooled", "activations")]
        balanced = min(counts) < max(counts)
        found = {
            "regression": run_regression(both[0], balanced),
            "recipe": run_recipe(*both, settings, classes, balanced),
            **run_paper(*both, settings, classes),
        }
        sizes = [len(part) for part in (cell.train, cell.val, cell.test)]
        figures = [f"{found[name]:.4f}" for name in MODEL_NAMES]
        table.append((classes, max(counts), min(counts), seed, *sizes, *figures))
        print(dict(zip((*RESULT_COLUMNS, *MODEL_NAMES), table[-1], strict=True)), flush=True)
        write_csv((*RESULT_COLUMNS, *MODEL_NAMES), table, options.out)


if __name__ == "__main__":
    main()
