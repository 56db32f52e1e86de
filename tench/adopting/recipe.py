"""Which parameters suit somebody's own pictures."""

from typing import Any, NamedTuple

from tench.adopting.found import Found
from tench.core.backbones import BACKBONES

BALANCED = 3  # times the smallest class, from which on all classes weigh the same


class Choice(NamedTuple):
    """One parameter, by dotted key, and why it gets this value."""

    key: str
    value: Any
    reason: str


def recipe(found: Found, backbone: str) -> list[Choice]:
    """The parameters for these pictures and a backbone of BACKBONES."""
    return [*picture_choices(backbone), *cut_choices(backbone), *training_choices(found)]


def picture_choices(backbone: str) -> list[Choice]:
    """How pictures are read."""
    size = BACKBONES[backbone].size
    return [
        Choice("data.image_size", size, "the size that the backbone's weights were trained at"),
        Choice("data.resize", "squash", "the whole picture, nothing but the picture"),
    ]


def cut_choices(backbone: str) -> list[Choice]:
    """Where another backbone than the paper's is cut and learns; the paper's as it has it."""
    if backbone == "MobileNetV2":
        return []
    return [
        Choice("backbone.tap_at", "auto", "where this backbone's activations are smallest"),
        Choice("finetune.fine_tune_at", BACKBONES[backbone].tap, "all behind what is stored"),
    ]


def training_choices(found: Found) -> list[Choice]:
    """How to train. docs/your-pictures.md has what this reaches, from five pictures a class on."""
    counts = found.classes.values()
    ratio = max(counts) / min(counts)
    balance = Choice(
        "class_weights", "none", f"the largest class is {ratio:.1f} times the smallest"
    )
    if ratio > BALANCED:
        balance = balance._replace(value="balanced")
    return [
        balance,
        Choice("extract_train.solver", "logistic", "good from a few pictures a class on"),
        Choice("finetune.learning_rate", 3.0e-4, "bold: what it spoils is not kept"),
        Choice("finetune.epochs", 20, "at most: finetune.patience stops it"),
        Choice("finetune.min_steps", 30, "where pictures are few, an epoch goes over them again"),
        Choice("finetune.patience", 3, "kept only if validation clearly says that it is better"),
    ]
