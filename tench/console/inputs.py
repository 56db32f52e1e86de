"""Whether what a stage reads is what another stage wrote: byte for byte, by dvc.lock.

DVC itself compares a file with dvc.lock only if its date, size or inode has changed, and takes what
is in its cache, and on a remote without `verify`, for what it is called.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tench.console.locks import digests, locked, read_stages
from tench.console.quick_yaml import mapping
from tench.console.record import dvc_digest, file_md5
from tench.core.errors import TenchError
from tench.core.paths import PARAMS, PIPELINES, POOLED, TAPPED

OPENED = (POOLED, TAPPED)  # large, and compared with digests of their own when they are opened
FOLDER = ".dir"  # ends DVC's digest of a folder, which is that of a list of its files


class Made(NamedTuple):
    """What a stage wrote."""

    path: Path
    stage: str
    digest: str  # as dvc.lock has it


def made() -> list[Made]:
    """All that stages wrote, as the lock files have it. Raises TenchError."""
    return [
        Made(Path(path), name, digest)
        for stages in locked()
        for name, stage in stages.items()
        for path, digest in digests(stage, "outs").items()
    ]


def reads(stage: str) -> list[Path]:
    """What a stage depends on, as its dvc.yaml has it; nothing of a stage in none. Raises
    TenchError."""
    for pipeline in PIPELINES:
        if found := read_stages(pipeline).get(stage):
            raw = mapping(PARAMS.read_bytes(), PARAMS)["data"]["raw"]
            return [Path(dep.replace("${data.raw}", raw)) for dep in found.get("deps", [])]
    return []


def check_inputs(stage: str) -> None:
    """Compare what a stage reads, and another wrote, with dvc.lock.

    Raises:
        TenchError: something is missing or not what it was; names the file and the way back.
    """
    written = {one.path: one for one in made()}
    for path in reads(stage):
        one = written.get(path)
        if one is None or path in OPENED:
            continue
        if not path.exists():
            raise TenchError(f"{path}: missing: run `dvc repro`, whose stage {one.stage} makes it")
        if dvc_digest(path) != one.digest:
            raise damage(other_file(one), f"not what the stage {one.stage} wrote")


def check_results(folder: Path) -> None:
    """Compare what stages wrote into a folder, as far as it is there, with dvc.lock. Raises
    TenchError."""
    for one in made():
        if one.path.is_relative_to(folder) and dvc_digest(one.path) not in {"", one.digest}:
            raise damage(other_file(one), f"not what the stage {one.stage} wrote")


def damage(file: Path, what: str, *gone: Path) -> TenchError:
    """The error that says what is wrong with a file, and how to get it back: by deleting it and
    what is no better in DVC's cache, from where it would come again.

    Args:
        file: from the project's root.
        what: is wrong.
        gone: what is to be deleted, if not the file alone.
    """
    objects: dict[Path, None] = {}
    if folder := cache():
        objects = {one: None for path in (file, *gone) for one in spoilt(path, folder)}
    away = " and ".join(map(str, [*(gone or ["it"]), *objects]))
    holder = next((one for one in made() if file.is_relative_to(one.path)), None)
    meant = f". If the change is meant, `dvc commit {holder.path}` keeps it" if holder else ""
    return TenchError(f"{file}: {what}: delete {away}, then run `dvc repro` again{meant}")


def cache() -> Path | None:
    """The folder of DVC's cache that files lie in by their digests; None where DVC has none."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if asked.returncode:
        return None
    folder, here = Path(asked.stdout.strip(), "files/md5"), Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def kept(digest: str, folder: Path) -> Path:
    """Where in DVC's cache lies what has this digest."""
    return folder / digest[:2] / digest[2:]


def is_whole(digest: str, folder: Path) -> bool:
    """Whether DVC's cache has what has this digest, undamaged."""
    file = kept(digest, folder)
    return file.is_file() and file_md5(file) == digest.removesuffix(FOLDER)


def listed(one: Made, folder: Path) -> Iterator[tuple[Path, str]]:
    """The files of a folder that a stage wrote, with their digests, as far as DVC's cache tells."""
    if one.digest.endswith(FOLDER) and is_whole(one.digest, folder):
        for entry in json.loads(kept(one.digest, folder).read_bytes()):
            yield one.path / entry["relpath"], entry["md5"]


def other_file(one: Made) -> Path:
    """The first file in what a stage wrote that is not what it was; the whole where it cannot be
    told which."""
    files = listed(one, folder) if (folder := cache()) else ()
    return next((file for file, digest in files if dvc_digest(file) != digest), one.path)


def spoilt(path: Path, folder: Path) -> list[Path]:
    """What DVC's cache holds of a file, and of the list of the folder it lies in, that is
    damaged."""
    holders = [one for one in made() if path.is_relative_to(one.path)]
    known = [one.digest for one in holders]
    known += [digest for one in holders for file, digest in listed(one, folder) if file == path]
    return [
        kept(digest, folder)
        for digest in known
        if kept(digest, folder).is_file() and not is_whole(digest, folder)
    ]
