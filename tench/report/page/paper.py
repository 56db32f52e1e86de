"""Results of the reproduced paper, and the runs they may be compared with."""

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
PAPER_TITLES = {
    "extract-train": "Table I: head only, frozen base",
    "finetune": "Table II: fine-tuning",
}
TITLES = {"extract-train": "Head only, frozen base", "finetune": "Fine-tuning"}
CLASSES = 10

# Every parameter that affects training, with the values that count as the paper's recipe. Two
# allow more than the paper's value, because the committed parameters differ (see README.md): the
# weights pretrained at 224 pixels, and the moving average of the weights.
#
# All other parameters may have any value. They name things (data.raw, data.classes), configure
# audit and export, or choose how the same numbers are computed (backbone.cache_at,
# backbone.engine).
# The paper gives no seed. data.val_fraction has no effect, because Imagenette has a val/ folder.
# data.max_rejected has none either, because Imagenette has no unreadable files.
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
    """Check whether a run on Imagenette follows the paper's recipe.

    Args:
        params: Parameters of the run.
        classes: Number of classes; data.classes may merge some of the paper's ten.
    """
    values = {".".join(key): value for key, value in flatten(params.model_dump()).items()}
    return classes == CLASSES and all(values[key] in allowed for key, allowed in RECIPE.items())
