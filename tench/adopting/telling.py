"""What was found, what was chosen and what a run will take, in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from tench.adopting.found import Found
from tench.adopting.settings import Change
from tench.core.names import SPLITS, TURNING, visible
from tench.core.params import ExtractTrain, Finetune, Params

SHOWN = 10  # classes, and files that cannot be read

# Seconds on one core, from the run of Imagenette in docs/speed.md (two cores, 160 pixels).
FIXED = 45.0  # importing, building, drawing: once, whatever the pictures and cores
PREPARE, PIXEL = 3e-3, 15e-9  # a picture, a pixel of its file
EMBED, AUDIT = 4.8e-3, 5.4e-3  # a picture
HEAD, TAIL = 0.5e-3, 4.9e-3  # a training picture an epoch
SIZE = 160


def shown(names: Sequence[str]) -> str:
    """Some names in a line, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return ", ".join(names[:SHOWN]) + more


def describe(raw: Path, found: Found, max_rejected: float) -> list[str]:
    """What was found, in lines."""
    counts = sorted(found.classes.values())
    sizes = [f"{wide} x {high}" for wide, high in found.sizes]
    sides = ", ".join(f"{found.splits[side]:,} {side}" for side in SPLITS)
    forms = ", ".join(f"{form} {count:,}" for form, count in found.formats.items())
    lines = [
        f"{raw}",
        f"  layout      {found.layout}",
        f"  classes     {len(counts)}: {shown(list(found.classes))}",
        f"  pictures    {sum(counts):,}: about {sides}",
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
            f"    {visible(str(source.file.relative_to(raw)), TURNING)}: {reason}"
            for source, reason in found.unreadable[:SHOWN]
        ]
        lines += [f"    and {len(found.unreadable) - SHOWN:,} more"] * (
            len(found.unreadable) > SHOWN
        )
        lines += rejections(found, max_rejected)
    return lines


def rejections(found: Found, max_rejected: float) -> list[str]:
    """The classes of which more is unreadable than prepare bears."""
    lost = Counter(source.class_name for source, _ in found.unreadable)
    total = {name: count + found.classes.get(name, 0) for name, count in lost.items()}
    over = [name for name in sorted(lost) if lost[name] / total[name] > max_rejected]
    return [
        f"    prepare will stop: class {name} has {lost[name]} of {total[name]}, more than "
        f"data.max_rejected = {max_rejected} allows; remove or replace them"
        for name in over[:SHOWN]
    ]


def value(of: Any) -> str:
    """A parameter's value in a line."""
    if isinstance(of, Mapping):
        return f"{len(of)} names" if of else "none"
    return "null" if of is None else str(of)


def tell(changes: Sequence[Change]) -> list[str]:
    """What was chosen, in lines: the key, the value before and after, the reason."""
    texts = [
        f"{one.key}: {value(one.old)}" + (f" -> {value(one.new)}" if one.old != one.new else "")
        for one in changes
    ]
    wide = max(map(len, texts))
    return [f"  {text:{wide}}  {one.reason}" for text, one in zip(texts, changes, strict=True)]


def examples(section: ExtractTrain | Finetune, training: int) -> int:
    """How many examples training goes through; with patience, in about two epochs more than it."""
    epochs = min(section.epochs, section.patience + 2) if section.patience else section.epochs
    return epochs * max(training, section.min_steps * section.batch_size)


def seconds(found: Found, params: Params, cores: int) -> float:
    """How long `dvc repro` will take, within a factor of two or so."""
    pictures, training = sum(found.splits.values()), found.splits["train"]
    size = (params.data.image_size / SIZE) ** 2
    pixels = sum(wide * high for wide, high in found.sizes)
    work = pictures * (PREPARE + EMBED * size + AUDIT) + pixels * PIXEL
    work += HEAD * examples(params.extract_train, training)
    work += TAIL * size * examples(params.finetune, training)
    return FIXED + work / cores


def duration(of: float) -> str:
    """Seconds in words."""
    if of < 3600:
        return f"{max(1, round(of / 60))} min"
    return f"{of / 3600:.1f} h"
