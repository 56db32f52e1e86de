"""What is said of a damaged file: how to get it back. Damage in DVC's cache too would come again
from there, even if the stage were run anew.
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

FOLDER_SUFFIX = ".dir"  # ends DVC's digest of a folder, which is that of a list of its files


class StageOutput(NamedTuple):
    """What a stage wrote."""

    path: Path
    stage: str
    digest: str  # as dvc.lock has it


def list_stage_outputs() -> list[StageOutput]:
    """All that stages wrote, as the lock files have it. Raises TenchError."""
    return [
        StageOutput(Path(path), name, digest)
        for stages in read_lock_files()
        for name, stage in stages.items()
        for path, digest in stage_digests(stage, "outs").items()
    ]


def damaged_file_error(file: Path, what: str, *gone: Path) -> TenchError:
    """The error that says what is wrong with a file, and what to delete to get it back: the file,
    and what is no better in DVC's cache.

    Args:
        file: from the project's root.
        what: is wrong.
        gone: what is to be deleted, if not the file alone.
    """
    holders = [one for one in list_stage_outputs() if file.is_relative_to(one.path)]
    objects = damaged_objects({file, *gone}, holders, dvc_objects_folder()) if holders else []
    away = " and ".join(map(str, [*(gone or ["it"]), *objects]))
    return TenchError(f"{file}: {what}: delete {away}, then run `dvc repro` again")


def find_dvc_cache() -> Path | None:
    """DVC's cache; None where DVC has none."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return None if asked.returncode else Path(asked.stdout.strip())


def dvc_objects_folder() -> Path:
    """The folder of DVC's cache that files lie in by their digests; where DVC has none, one that is
    not there."""
    folder, here = (find_dvc_cache() or Path()) / "files/md5", Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def object_path(digest: str, folder: Path) -> Path:
    """Where in DVC's cache lies what has this digest."""
    return folder / digest[:2] / digest[2:]


def is_intact_in_cache(digest: str, folder: Path) -> bool:
    """Whether DVC's cache has what has this digest, undamaged."""
    file = object_path(digest, folder)
    return file.is_file() and file_md5(file) == digest.removesuffix(FOLDER_SUFFIX)


def folder_members(one: StageOutput, folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder that a stage wrote, with their digests, as far as DVC's cache tells."""
    if one.digest.endswith(FOLDER_SUFFIX) and is_intact_in_cache(one.digest, folder):
        for entry in json.loads(object_path(one.digest, folder).read_bytes()):
            yield one.path / entry["relpath"], entry["md5"]


def first_changed_file(one: StageOutput) -> Path:
    """The first file in what a stage wrote that is not what it was; the whole where it cannot be
    told which."""
    files = folder_members(one, dvc_objects_folder())
    return next((file for file, digest in files if dvc_digest(file) != digest), one.path)


def damaged_objects(files: Set[Path], holders: Sequence[StageOutput], folder: Path) -> list[Path]:
    """What DVC's cache holds of files that is damaged.

    Args:
        files: each may be what a stage wrote, or lie in it.
        holders: what that is.
        folder: of the cache.
    """
    known = [one.digest for one in holders]
    known += [
        digest for one in holders for file, digest in folder_members(one, folder) if file in files
    ]
    there = [digest for digest in known if object_path(digest, folder).is_file()]
    return [
        object_path(digest, folder) for digest in there if not is_intact_in_cache(digest, folder)
    ]
