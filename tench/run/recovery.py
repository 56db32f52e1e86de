"""Errors for damaged files, with how to restore them.

If DVC's cache holds the damaged file too, DVC would restore it from there: the error then names
the cache object, to be deleted as well.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from tench.core.errors import TenchError
from tench.run.dvc_digest import dvc_digest, file_md5
from tench.run.dvc_files import read_lock_files, stage_digests

FOLDER_SUFFIX = ".dir"  # of DVC's digest of a folder, that of a list of its files


class StageOutput(NamedTuple):
    """An output of a stage in dvc.lock."""

    path: Path
    stage: str
    digest: str


def list_stage_outputs() -> list[StageOutput]:
    """All outputs in the lock files. Raises TenchError."""
    return [
        StageOutput(Path(path), name, digest)
        for stages in read_lock_files()
        for name, stage in stages.items()
        for path, digest in stage_digests(stage, "outs").items()
    ]


def damaged_file_error(file: Path, what: str, *gone: Path) -> TenchError:
    """The error for a damaged file, which names everything to delete before DVC can restore it.

    Args:
        file: relative to the project's root.
        what: the problem.
        gone: paths to delete, if not the file alone.
    """
    outputs = [output for output in list_stage_outputs() if file.is_relative_to(output.path)]
    objects = damaged_objects({file, *gone}, outputs, dvc_objects_folder()) if outputs else []
    to_delete = " and ".join(map(str, [*(gone or ["it"]), *objects]))
    return TenchError(f"{file}: {what}: delete {to_delete}, then run `dvc repro` again")


def find_dvc_cache() -> Path | None:
    """Folder of DVC's cache; None if DVC has none."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    finished = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return None if finished.returncode else Path(finished.stdout.strip())


def dvc_objects_folder() -> Path:
    """The folder of cache objects, relative to the working directory if it is below; a missing
    folder if DVC has no cache."""
    folder, here = (find_dvc_cache() or Path()) / "files/md5", Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def object_path(digest: str, objects: Path) -> Path:
    """Path of the cache object with this digest."""
    return objects / digest[:2] / digest[2:]


def is_intact_in_cache(digest: str, objects: Path) -> bool:
    """Whether the cache object with this digest exists and is undamaged."""
    file = object_path(digest, objects)
    return file.is_file() and file_md5(file) == digest.removesuffix(FOLDER_SUFFIX)


def folder_members(output: StageOutput, objects: Path) -> Iterator[tuple[Path, str]]:
    """The files of an output folder with their digests; none if DVC's cache lacks the list."""
    if output.digest.endswith(FOLDER_SUFFIX) and is_intact_in_cache(output.digest, objects):
        for entry in json.loads(object_path(output.digest, objects).read_bytes()):
            yield output.path / entry["relpath"], entry["md5"]


def first_changed_file(output: StageOutput) -> Path:
    """The first changed file of an output; the output itself if the cache cannot name the file."""
    files = folder_members(output, dvc_objects_folder())
    return next((file for file, digest in files if dvc_digest(file) != digest), output.path)


def damaged_objects(files: Set[Path], outputs: Sequence[StageOutput], objects: Path) -> list[Path]:
    """The damaged objects of files in DVC's cache.

    Args:
        files: outputs of stages, or files in them.
        outputs: the outputs that contain the files.
        objects: folder of the cache objects.
    """
    digests = [output.digest for output in outputs]
    digests += [
        digest
        for output in outputs
        for file, digest in folder_members(output, objects)
        if file in files
    ]
    existing = [digest for digest in digests if object_path(digest, objects).is_file()]
    return [
        object_path(digest, objects)
        for digest in existing
        if not is_intact_in_cache(digest, objects)
    ]
