"""Which parameters suit somebody's own pictures."""

from typing import Any, NamedTuple

from tench.adopting.found import Found


class Choice(NamedTuple):
    """One parameter, by dotted key, and why it gets this value."""

    key: str
    value: Any
    reason: str


def recipe(found: Found) -> list[Choice]:
    """The parameters for these pictures, in the order of params.yaml."""
    return [*picture_choices(), *training_choices(found)]


def picture_choices() -> list[Choice]:
    """How pictures are read."""
    return [
        Choice("data.image_size", 224, "the size that the backbone's weights were trained at"),
        Choice("data.resize", "squash", "the whole picture, nothing but the picture"),
    ]


def training_choices(found: Found) -> list[Choice]:
    """How long and how fast to train, by how many pictures there are."""
    return []
