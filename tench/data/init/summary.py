"""Text output of `make adopt`: the survey, the chosen parameters and the estimated run time."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tench.core.names import BIDI_CONTROLS, SPLITS, escape_control_characters
from tench.core.params import ExtractTrain, Finetune, Params
from tench.data.init.params_file import ParamChange
from tench.data.init.survey import FolderSurvey

MAX_ITEMS_SHOWN = 10  # classes or unreadable files listed
MAX_ALIGNED_VALUE = 32  # characters; a longer value does not push the reasons to the right

# Seconds on one core, from the Imagenette run in docs/speed.md (two cores, 160 pixels).
FIXED_SECONDS = 45.0  # imports, model building and plots, on any number of cores
PREPARE_SECONDS_PER_IMAGE, DECODE_SECONDS_PER_PIXEL = 3e-3, 15e-9
EMBED_SECONDS_PER_IMAGE, AUDIT_SECONDS_PER_IMAGE = 4.8e-3, 5.4e-3
HEAD_SECONDS_PER_IMAGE, TOP_SECONDS_PER_IMAGE = 0.5e-3, 4.9e-3  # per training image and epoch
MEASURED_IMAGE_SIZE = 160


def join_names(names: Sequence[str]) -> str:
    """Join the first names with commas and count the rest."""
    more = f" and {len(names) - MAX_ITEMS_SHOWN} more" if names[MAX_ITEMS_SHOWN:] else ""
    return ", ".join(names[:MAX_ITEMS_SHOWN]) + more


def format_range(smallest: str, largest: str, middle: str) -> str:
    """Format a range with its median, or the value if all are equal."""
    return smallest if smallest == largest else f"{smallest} to {largest}, median {middle}"


def describe_survey(raw: Path, survey: FolderSurvey, max_rejected: float) -> list[str]:
    """Describe a surveyed folder, one line per property.

    Args:
        raw: the folder, as in data.raw.
        survey: its contents.
        max_rejected: the parameter data.max_rejected.
    """
    counts = sorted(survey.classes.values())
    sizes = [f"{width} x {height}" for width, height in survey.sizes]
    splits = ", ".join(f"{survey.splits[split]:,} {split}" for split in SPLITS)
    formats = ", ".join(f"{name} {count:,}" for name, count in survey.formats.items())
    smallest, largest, middle = (f"{n:,.0f}" for n in (counts[0], counts[-1], median(counts)))
    per_class = format_range(smallest, largest, middle)
    lines = [
        f"{raw}",
        f"  layout      {survey.layout}",
        f"  classes     {len(counts)}: {join_names(list(survey.classes))}",
        f"  images      {sum(counts):,} (about {splits})",
        f"  per class   {per_class}",
        f"  formats     {formats}",
        f"  sizes       {format_range(sizes[0], sizes[-1], sizes[len(sizes) // 2])}",
    ]
    if survey.groups:
        lines.append(f"  groups      {survey.groups:,}, each in one split only")
    if survey.unreadable:
        lines += describe_unreadable(raw, survey, max_rejected)
    return lines


def describe_unreadable(raw: Path, survey: FolderSurvey, max_rejected: float) -> list[str]:
    """List the first unreadable files, and the classes that have too many for `prepare`."""
    files = survey.unreadable
    names = [
        escape_control_characters(str(source.file.relative_to(raw)), BIDI_CONTROLS)
        for source, _ in files[:MAX_ITEMS_SHOWN]
    ]
    lines = [f"  unreadable  {len(files):,} {'file' if len(files) == 1 else 'files'}"]
    lines += [f"    {name}: {reason}" for name, (_, reason) in zip(names, files, strict=False)]
    if files[MAX_ITEMS_SHOWN:]:
        lines.append(f"    and {len(files) - MAX_ITEMS_SHOWN:,} more")
    rejected = Counter(source.class_name for source, _ in files)
    total = {name: count + survey.classes.get(name, 0) for name, count in rejected.items()}
    over = [name for name in sorted(rejected) if rejected[name] / total[name] > max_rejected]
    if over:
        lines.append(
            f"  Too many for `dvc repro` (data.max_rejected = {max_rejected}). "
            "Repair or remove them:"
        )
        lines += [
            f"    class {name}: {rejected[name]:,} of {total[name]:,} files"
            for name in over[:MAX_ITEMS_SHOWN]
        ]
    return lines


def format_param_value(value: Any) -> str:
    """Format a parameter's value for one line."""
    if isinstance(value, Mapping):
        return f"{len(value)} names" if value else "none"
    return "null" if value is None else str(value)


def describe_changes(changes: Sequence[ParamChange]) -> list[str]:
    """List the chosen parameters in three columns: key, old and new value, reason."""
    values = [
        format_param_value(change.old)
        + (f" -> {format_param_value(change.new)}" if change.old != change.new else " (unchanged)")
        for change in changes
    ]
    key_width = max(len(change.key) for change in changes)
    width = max((len(v) for v in values if len(v) <= MAX_ALIGNED_VALUE), default=0)
    return [
        f"  {change.key:{key_width}}  {value:{width}}  {change.reason}"
        for change, value in zip(changes, values, strict=True)
    ]


def count_training_examples(section: ExtractTrain | Finetune, training_images: int) -> int:
    """Estimate the examples that training processes over all epochs.

    With patience, training is assumed to stop two epochs after `patience`.
    """
    epochs = min(section.epochs, section.patience + 2) if section.patience else section.epochs
    return epochs * max(training_images, section.min_steps_per_epoch * section.batch_size)


def estimate_seconds(survey: FolderSurvey, params: Params, cores: int) -> float:
    """Estimate the duration of the first `dvc repro`, within a factor of about two."""
    images, training = sum(survey.splits.values()), survey.splits["train"]
    scale = (params.data.image_size / MEASURED_IMAGE_SIZE) ** 2
    pixels = sum(width * height for width, height in survey.sizes)
    work = (
        images
        * (PREPARE_SECONDS_PER_IMAGE + EMBED_SECONDS_PER_IMAGE * scale + AUDIT_SECONDS_PER_IMAGE)
        + pixels * DECODE_SECONDS_PER_PIXEL
    )
    work += HEAD_SECONDS_PER_IMAGE * count_training_examples(params.extract_train, training)
    work += TOP_SECONDS_PER_IMAGE * scale * count_training_examples(params.finetune, training)
    return FIXED_SECONDS + work / cores


def format_duration(seconds: float) -> str:
    """Format a duration in minutes or hours."""
    if seconds < 3600:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h"
