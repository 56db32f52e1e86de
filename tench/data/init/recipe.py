"""Recommended parameters for a user's own images."""

from typing import Any, NamedTuple

from tench.core.specs import BACKBONES
from tench.data.init.survey import FolderSurvey

BALANCED_MAX_RATIO = 3  # largest to smallest class; beyond it all classes get the same weight


class ParamChoice(NamedTuple):
    """A parameter, by dotted key, its recommended value and the reason."""

    key: str
    value: Any
    reason: str


def recommend_params(survey: FolderSurvey, backbone: str) -> list[ParamChoice]:
    """Recommend parameters for the images of a folder.

    Args:
        survey: the folder.
        backbone: a key of BACKBONES.
    """
    return [*image_choices(backbone), *fine_tuning_choices(backbone), *training_choices(survey)]


def image_choices(backbone: str) -> list[ParamChoice]:
    """Image size and resize mode."""
    size = BACKBONES[backbone].pretrained_size
    return [
        ParamChoice("data.image_size", size, "the size the backbone was trained at"),
        ParamChoice("data.resize", "squash", "keeps the whole image, without padding"),
    ]


def fine_tuning_choices(backbone: str) -> list[ParamChoice]:
    """Where to cut a backbone and from which layer to fine-tune it.

    Nothing for MobileNetV2: the committed values are those of the paper.
    """
    if backbone == "MobileNetV2":
        return []
    return [
        ParamChoice("backbone.cache_at", "auto", "the layer with the smallest activations"),
        ParamChoice(
            "finetune.fine_tune_at",
            BACKBONES[backbone].auto_cache_at,
            "fine-tunes all layers after the cached one",
        ),
    ]


def training_choices(survey: FolderSurvey) -> list[ParamChoice]:
    """Class weights, solver and fine-tuning schedule.

    docs/your-images.md gives the accuracy they reach, from five images per class up.
    """
    counts = survey.classes.values()
    ratio = max(counts) / min(counts)
    balance = "balanced" if ratio > BALANCED_MAX_RATIO else "none"
    return [
        ParamChoice("class_weights", balance, f"ratio of largest to smallest class: {ratio:.1f}"),
        ParamChoice("extract_train.solver", "logistic", "works with a few images per class"),
        ParamChoice("finetune.learning_rate", 3.0e-4, "aggressive; a worse result is discarded"),
        ParamChoice("finetune.epochs", 20, "an upper limit; finetune.patience stops earlier"),
        ParamChoice(
            "finetune.min_steps_per_epoch", 30, "repeats a small training set within an epoch"
        ),
        ParamChoice("finetune.patience", 3, "stops after 3 epochs without improvement"),
    ]
