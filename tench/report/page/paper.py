"""The paper that Tench reproduces: its figures, and which runs may stand beside them."""

from collections.abc import Mapping

from tench.core.params import Params
from tench.report.lock.parameters import flatten

# Tables I and II: loss, accuracy, val loss, val accuracy of epochs 1 to 6.
TABLES = {
    1: (0.85, 0.77, 0.15, 0.97),
    2: (0.15, 0.97, 0.08, 0.98),
    3: (0.09, 0.98, 0.06, 0.98),
    4: (0.04, 0.98, 0.05, 0.98),
    5: (0.03, 0.99, 0.04, 0.98),
    6: (0.02, 0.99, 0.04, 0.98),
}
PAPER_TITLES = {"extract-train": "Table I: the head alone", "finetune": "Table II: fine-tuning"}
TITLES = {"extract-train": "The head alone", "finetune": "Fine-tuning"}
CLASSES = 10

# Every parameter that changes what is trained, with the values of the paper's recipe. Two have a
# second value, since the committed parameters differ there and README.md says so: the checkpoint
# for 224 pixels, and the mean of an epoch's weights.
#
# The other parameters may have any value. They name things (data.raw, data.classes), set what is
# audited and exported, or choose where the same numbers are computed (backbone.cache_at and .engine).
# The paper gives no seed. data.val_fraction has no effect, because Imagenette has a val/ folder;
# nor has data.max_rejected, because Imagenette has no unreadable file.
RECIPE: Mapping[str, tuple[object, ...]] = {
    "class_weights": ("none",),
    "data.groups": (None,),
    "data.image_size": (160,),
    "data.resize": ("squash",),
    "data.test_fraction": (0.2,),
    "backbone.name": ("MobileNetV2",),
    "backbone.weights": ("imagenet", "imagenet-224", "imagenet-160"),
    "extract_train.solver": ("adam",),
    "extract_train.dense_units": (64,),
    "extract_train.dropout": (0.2,),
    "extract_train.activation": ("sigmoid",),
    "extract_train.learning_rate": (1e-4,),
    "extract_train.batch_size": (32,),
    "extract_train.epochs": (3,),
    "extract_train.min_steps_per_epoch": (1,),
    "extract_train.patience": (0,),
    "finetune.fine_tune_at": (130,),
    "finetune.learning_rate": (1e-4,),
    "finetune.batch_size": (32,),
    "finetune.epochs": (3,),
    "finetune.min_steps_per_epoch": (1,),
    "finetune.patience": (0,),
    "finetune.ema": (True, False),
}


def is_recipe(params: Params, classes: int) -> bool:
    """Whether a run on Imagenette with these parameters may stand beside the paper's figures.

    Args:
        params: of the run.
        classes: their number; fewer than the paper's where data.classes merges two.
    """
    values = {".".join(key): value for key, value in flatten(params.model_dump()).items()}
    return classes == CLASSES and all(values[key] in allowed for key, allowed in RECIPE.items())
