"""Check that a raw folder and the pipeline's outputs do not overlap."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.paths import DATA, IMAGENETTE, PIPELINES, SAMPLE
from tench.data.ingest.file_rules import is_ignored_name
from tench.run.dvc_files import read_stages

OUTPUT_KINDS = ("outs", "metrics", "plots")  # keys of a stage in dvc.yaml
MAX_NAMES_SHOWN = 5  # folders listed in an error


def stage_outputs(stage: Mapping[str, Any]) -> list[Path]:
    """The outputs of a stage of dvc.yaml, relative to the project."""
    entries = [entry for kind in OUTPUT_KINDS for entry in stage.get(kind, [])]
    return [Path(next(iter(entry)) if isinstance(entry, dict) else entry) for entry in entries]


def pipeline_outputs() -> list[Path]:
    """The outputs of all stages of the project. Raises TenchError."""
    return [
        out
        for pipeline in PIPELINES
        for stage in read_stages(pipeline).values()
        for out in stage_outputs(stage)
    ]


def unused_data_folder(name: str) -> Path:
    """A path that does not exist: data/NAME, else data/NAME-2, and so on."""
    paths = (DATA / f"{name}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 10_000))))
    return next(path for path in paths if not path.exists() and not path.is_symlink())


def user_entries(raw: Path, outs: Sequence[Path]) -> Iterator[Path]:
    """Yield the folders and CSV files in `raw` that may be a data set and contain no output."""
    for path in sorted(raw.iterdir()) if raw.is_dir() else []:
        has_output = any(out.is_relative_to(path.resolve()) for out in outs)
        is_data = path.is_dir() or path.suffix.lower() == ".csv"
        if is_data and not has_output and not is_ignored_name(path.name):
            yield path


def check_outside_outputs(raw: Path) -> None:
    """Check that a raw folder does not contain, equal or lie in an output of a stage.

    The data sets that stages make, and folders in them, are allowed.

    Args:
        raw: the folder, as in data.raw.

    Raises:
        TenchError: the folder and an output overlap.
    """
    folder = raw.resolve()
    if any(folder.is_relative_to(made.resolve()) for made in (IMAGENETTE, SAMPLE)):
        return
    outs = {out.resolve(): out for out in pipeline_outputs()}
    for path, out in sorted(outs.items()):
        if folder.is_relative_to(path):
            raise TenchError(
                f"{raw}: the pipeline writes {out} and deletes everything else there. "
                f"Move the images: mv -- {shlex.quote(str(raw))} {unused_data_folder('mine')}"
            )
    inside = sorted(out for path, out in outs.items() if path.is_relative_to(folder))
    if inside:
        names = [shlex.quote(str(path)) for path in user_entries(raw, list(outs))]
        more = " …" if names[MAX_NAMES_SHOWN:] else ""
        sources = " ".join(names[:MAX_NAMES_SHOWN]) + more or "IMAGES"
        target = unused_data_folder("mine")
        raise TenchError(
            f"{raw}: the pipeline writes {inside[0]} in this folder. Move the images to a folder "
            f"of their own: mkdir {target} && mv -- {sources} {target}"
        )
