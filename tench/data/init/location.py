"""Where a folder of images may lie: outside of what the pipeline writes."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.paths import DATA, IMAGENETTE, PIPELINES, SAMPLE
from tench.data.ingest.file_rules import is_ignored_name
from tench.run.dvc_files import read_stages

KINDS = ("outs", "metrics", "plots")  # of what a stage of dvc.yaml writes
NAMED = 5  # folders in a message


def written(stage: Mapping[str, Any]) -> list[Path]:
    """What a stage of a dvc.yaml writes, from the project's root on."""
    entries = [entry for kind in KINDS for entry in stage.get(kind, [])]
    return [Path(next(iter(one)) if isinstance(one, dict) else one) for one in entries]


def outputs() -> list[Path]:
    """What all stages of the project's pipelines write. Raises TenchError."""
    return [
        out
        for pipeline in PIPELINES
        for stage in read_stages(pipeline).values()
        for out in written(stage)
    ]


def free_folder(name: str) -> Path:
    """A path data/NAME at which nothing lies: `name`, else `name`-2, and so on."""
    places = (DATA / f"{name}{end}" for end in ("", *(f"-{n}" for n in range(2, 10_000))))
    return next(place for place in places if not place.exists() and not place.is_symlink())


def to_move(raw: Path, outs: Sequence[Path]) -> Iterator[Path]:
    """The folders and CSV files in a folder that no stage writes into and that may be a data
    set's."""
    for path in sorted(raw.iterdir()) if raw.is_dir() else []:
        ours = any(out.is_relative_to(path.resolve()) for out in outs)
        is_data = path.is_dir() or path.suffix.lower() == ".csv"
        if is_data and not ours and not is_ignored_name(path.name):
            yield path


def check_apart(raw: Path) -> None:
    """Raise TenchError if a raw folder contains, equals or lies in what a stage writes.

    The sets that stages make, and the folders in them, may be used.

    Args:
        raw: the folder, as data.raw has it.
    """
    folder = raw.resolve()
    if any(folder.is_relative_to(made.resolve()) for made in (IMAGENETTE, SAMPLE)):
        return
    outs = {out.resolve(): out for out in outputs()}
    for place, out in sorted(outs.items()):
        if folder.is_relative_to(place):
            raise TenchError(
                f"{raw}: the pipeline writes {out} and deletes what else lies there. "
                f"Move the images: mv -- {shlex.quote(str(raw))} {free_folder('mine')}"
            )
    inside = sorted(out for place, out in outs.items() if place.is_relative_to(folder))
    if inside:
        found = [shlex.quote(str(path)) for path in to_move(raw, list(outs))]
        more = " …" if found[NAMED:] else ""
        what, goal = " ".join(found[:NAMED]) + more or "IMAGES", free_folder("mine")
        raise TenchError(
            f"{raw}: the pipeline writes {inside[0]} in it. Move the images to a folder of their "
            f"own: mkdir {goal} && mv -- {what} {goal}"
        )
