"""What is said of a damaged file: how to get it back. Damage in DVC's cache too would come again
from there, even if the stage were run anew.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from tench.core.digests import dvc_digest, file_md5
from tench.core.errors import TenchError
from tench.core.pipelines import digests, locked

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


def damage(file: Path, what: str, *gone: Path) -> TenchError:
    """The error that says what is wrong with a file, and what to delete to get it back: the file,
    and what is no better in DVC's cache.

    Args:
        file: from the project's root.
        what: is wrong.
        gone: what is to be deleted, if not the file alone.
    """
    holders = [one for one in made() if file.is_relative_to(one.path)]
    objects = spoilt({file, *gone}, holders, cache()) if holders else []
    away = " and ".join(map(str, [*(gone or ["it"]), *objects]))
    return TenchError(f"{file}: {what}: delete {away}, then run `dvc repro` again")


def cache_folder() -> Path | None:
    """DVC's cache; None where DVC has none."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    asked = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return None if asked.returncode else Path(asked.stdout.strip())


def cache() -> Path:
    """The folder of DVC's cache that files lie in by their digests; where DVC has none, one that is
    not there."""
    folder, here = (cache_folder() or Path()) / "files/md5", Path.cwd()
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
    files = listed(one, cache())
    return next((file for file, digest in files if dvc_digest(file) != digest), one.path)


def spoilt(files: Set[Path], holders: Sequence[Made], folder: Path) -> list[Path]:
    """What DVC's cache holds of files that is damaged.

    Args:
        files: each may be what a stage wrote, or lie in it.
        holders: what that is.
        folder: of the cache.
    """
    known = [one.digest for one in holders]
    known += [digest for one in holders for file, digest in listed(one, folder) if file in files]
    there = [digest for digest in known if kept(digest, folder).is_file()]
    return [kept(digest, folder) for digest in there if not is_whole(digest, folder)]
