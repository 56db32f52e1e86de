"""Which parameters suit somebody's own images."""

from typing import Any, NamedTuple

from tench.core.specs import BACKBONES
from tench.data.init.survey import FolderSurvey

BALANCED_MAX_RATIO = 3  # times the smallest class, from which on all classes weigh the same


class ParamChoice(NamedTuple):
    """One parameter, by dotted key, and why it gets this value."""

    key: str
    value: Any
    reason: str


def recommend_params(found: FolderSurvey, backbone: str) -> list[ParamChoice]:
    """The parameters for these images and a backbone of BACKBONES."""
    return [*image_choices(backbone), *fine_tuning_choices(backbone), *training_choices(found)]


def image_choices(backbone: str) -> list[ParamChoice]:
    """How images are read."""
    size = BACKBONES[backbone].pretrained_size
    return [
        ParamChoice(
            "data.image_size", size, "the size that the backbone's weights were trained at"
        ),
        ParamChoice("data.resize", "squash", "the whole image, nothing but the image"),
    ]


def fine_tuning_choices(backbone: str) -> list[ParamChoice]:
    """Where another backbone than the paper's is cut and learns; the paper's as it has it."""
    if backbone == "MobileNetV2":
        return []
    return [
        ParamChoice("backbone.cache_at", "auto", "where this backbone's activations are smallest"),
        ParamChoice(
            "finetune.fine_tune_at", BACKBONES[backbone].auto_cache_at, "all behind what is stored"
        ),
    ]


def training_choices(found: FolderSurvey) -> list[ParamChoice]:
    """How to train. docs/your-images.md has what this reaches, from five images a class on."""
    counts = found.classes.values()
    ratio = max(counts) / min(counts)
    balance = ParamChoice(
        "class_weights", "none", f"the largest class is {ratio:.1f} times the smallest"
    )
    if ratio > BALANCED_MAX_RATIO:
        balance = balance._replace(value="balanced")
    return [
        balance,
        ParamChoice("extract_train.solver", "logistic", "good from a few images a class on"),
        ParamChoice("finetune.learning_rate", 3.0e-4, "bold: what it spoils is not kept"),
        ParamChoice("finetune.epochs", 20, "at most: finetune.patience stops it"),
        ParamChoice(
            "finetune.min_steps_per_epoch",
            30,
            "where images are few, an epoch goes over them again",
        ),
        ParamChoice(
            "finetune.patience", 3, "kept only if validation clearly says that it is better"
        ),
    ]
