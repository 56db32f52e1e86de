"""What was found, what was chosen and what a run will take, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tench.core.names import BIDI_CONTROLS, SPLITS, escape_control_characters
from tench.core.params import ExtractTrain, Finetune, Params
from tench.data.init.params_file import ParamChange
from tench.data.init.survey import FolderSurvey

MAX_ITEMS_SHOWN = 10  # classes, and files that cannot be read

# Seconds on one core, from the run of Imagenette in docs/speed.md (two cores, 160 pixels).
FIXED_SECONDS = 45.0  # importing, building, drawing: once, whatever the images and cores
PREPARE_SECONDS_PER_IMAGE, DECODE_SECONDS_PER_PIXEL = 3e-3, 15e-9  # an image, a pixel of its file
EMBED_SECONDS_PER_IMAGE, AUDIT_SECONDS_PER_IMAGE = 4.8e-3, 5.4e-3  # an image
HEAD_SECONDS_PER_IMAGE, TOP_SECONDS_PER_IMAGE = 0.5e-3, 4.9e-3  # a training image an epoch
MEASURED_IMAGE_SIZE = 160


def join_names(names: Sequence[str]) -> str:
    """Some names in a line, and how many more there are."""
    more = f" and {len(names) - MAX_ITEMS_SHOWN} more" if names[MAX_ITEMS_SHOWN:] else ""
    return ", ".join(names[:MAX_ITEMS_SHOWN]) + more


def describe_survey(raw: Path, found: FolderSurvey, max_rejected: float) -> list[str]:
    """What was found, in lines."""
    counts = sorted(found.classes.values())
    sizes = [f"{wide} x {high}" for wide, high in found.sizes]
    sides = ", ".join(f"{found.splits[side]:,} {side}" for side in SPLITS)
    forms = ", ".join(f"{form} {count:,}" for form, count in found.formats.items())
    lines = [
        f"{raw}",
        f"  layout      {found.layout}",
        f"  classes     {len(counts)}: {join_names(list(found.classes))}",
        f"  images    {sum(counts):,}: about {sides}",
        f"  a class     {counts[0]:,} to {counts[-1]:,}, median {median(counts):,.0f}; the largest "
        f"has {counts[-1] / counts[0]:.1f} times as many as the smallest",
        f"  formats     {forms}",
        f"  sizes       {sizes[0]} to {sizes[-1]}, median {sizes[len(sizes) // 2]}",
    ]
    if found.groups:
        lines.append(f"  groups      {found.groups:,}, none of them divided")
    if found.unreadable:
        lines.append(f"  unreadable  {len(found.unreadable):,}:")
        lines += [
            f"    {escape_control_characters(str(source.file.relative_to(raw)), BIDI_CONTROLS)}: {reason}"
            for source, reason in found.unreadable[:MAX_ITEMS_SHOWN]
        ]
        lines += [f"    and {len(found.unreadable) - MAX_ITEMS_SHOWN:,} more"] * (
            len(found.unreadable) > MAX_ITEMS_SHOWN
        )
        lines += describe_rejections(found, max_rejected)
    return lines


def describe_rejections(found: FolderSurvey, max_rejected: float) -> list[str]:
    """The classes of which more is unreadable than prepare bears."""
    lost = Counter(source.class_name for source, _ in found.unreadable)
    total = {name: count + found.classes.get(name, 0) for name, count in lost.items()}
    over = [name for name in sorted(lost) if lost[name] / total[name] > max_rejected]
    return [
        f"    prepare will stop: class {name} has {lost[name]} of {total[name]}, more than "
        f"data.max_rejected = {max_rejected} allows; remove or replace them"
        for name in over[:MAX_ITEMS_SHOWN]
    ]


def format_param_value(of: Any) -> str:
    """A parameter's value in a line."""
    if isinstance(of, Mapping):
        return f"{len(of)} names" if of else "none"
    return "null" if of is None else str(of)


def describe_changes(changes: Sequence[ParamChange]) -> list[str]:
    """What was chosen, in lines: the key, the value before and after, the reason."""
    texts = [
        f"{one.key}: {format_param_value(one.old)}"
        + (f" -> {format_param_value(one.new)}" if one.old != one.new else "")
        for one in changes
    ]
    wide = max(map(len, texts))
    return [f"  {text:{wide}}  {one.reason}" for text, one in zip(texts, changes, strict=True)]


def count_training_examples(section: ExtractTrain | Finetune, training: int) -> int:
    """How many examples training goes through; with patience, in about two epochs more than it."""
    epochs = min(section.epochs, section.patience + 2) if section.patience else section.epochs
    return epochs * max(training, section.min_steps_per_epoch * section.batch_size)


def estimate_seconds(found: FolderSurvey, params: Params, cores: int) -> float:
    """How long `dvc repro` will take, within a factor of two or so."""
    images, training = sum(found.splits.values()), found.splits["train"]
    size = (params.data.image_size / MEASURED_IMAGE_SIZE) ** 2
    pixels = sum(wide * high for wide, high in found.sizes)
    work = (
        images
        * (PREPARE_SECONDS_PER_IMAGE + EMBED_SECONDS_PER_IMAGE * size + AUDIT_SECONDS_PER_IMAGE)
        + pixels * DECODE_SECONDS_PER_PIXEL
    )
    work += HEAD_SECONDS_PER_IMAGE * count_training_examples(params.extract_train, training)
    work += TOP_SECONDS_PER_IMAGE * size * count_training_examples(params.finetune, training)
    return FIXED_SECONDS + work / cores


def format_duration(of: float) -> str:
    """Seconds in words."""
    if of < 3600:
        return f"{max(1, round(of / 60))} min"
    return f"{of / 3600:.1f} h"
