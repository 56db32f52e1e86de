"""Activations at other cuts than the tap: made once for all experiments, beside DVC's cache.

A cut that a stage computes is no parameter, so no stage can have these as its output: each value of
finetune.fine_tune_at would have them made anew. Kept under a name that follows from all they depend
on, they are shared by whatever uses that cache: the workspace, the queue and its workers.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tench.console.damage import cache_folder
from tench.core.errors import TenchError
from tench.core.paths import PIPELINES
from tench.core.pipelines import read_stages

KEPT = 4  # folders, those last used
PART = ".part-"  # before the name of one that is not whole


def store() -> Path:
    """The folder for them, in DVC's cache. Raises TenchError where DVC has none."""
    folder = cache_folder()
    if folder is None:
        raise TenchError(f"{Path.cwd()}: DVC finds no cache here")
    return folder / "activations"


def name_of(cut: int) -> str:
    """A name that follows from the cut and all that the stage embed depends on but its own cut, as
    dvc.lock has it of the last run. Raises TenchError where embed was never run."""
    lock = PIPELINES[0].with_suffix(".lock")
    try:
        embed = read_stages(lock)["embed"]
        params = {file: dict(values) for file, values in embed["params"].items()}
        of_backbone = dict(params["params.yaml"].pop("backbone"))
    except (KeyError, TypeError):
        raise TenchError(f"{lock}: nothing there of the stage embed: run `dvc repro`") from None
    del of_backbone["tap_at"]
    deps = {dep["path"]: dep["md5"] for dep in embed["deps"]}
    text = json.dumps([cut, deps, params, of_backbone], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextmanager
def kept(folder: Path, make: Callable[[Path], Path]) -> Iterator[Path]:
    """A folder that is made once and then used by any number of processes at a time.

    Args:
        folder: where it is. Beside it, those used longest ago are deleted until KEPT are left, but
            none in use.
        make: given a folder to work in, which is empty or as an earlier call that was stopped
            left it; returns the one in it that takes the name.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = folder.with_suffix(".lock")
    while True:
        with lock.open("w") as shared:
            fcntl.flock(shared, fcntl.LOCK_SH)
            if folder.is_dir():
                os.utime(folder)
                make_room(folder)
                yield folder
                return
        with lock.open("w") as alone:
            try:
                fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # to wait here would be to wait for those, too, who use it by then
            if not folder.is_dir():
                work = folder.with_name(f"{PART}{folder.name}")
                work.mkdir(exist_ok=True)
                make(work).rename(folder)
                shutil.rmtree(work)


def make_room(used: Path) -> None:
    """Delete the folders beside `used` that were used longest ago, until KEPT are left, and what
    others that were stopped have left."""
    folders = sorted(used.parent.glob("*/"), key=lambda one: one.stat().st_mtime)
    left = [one for one in folders if one.name.startswith(PART)]
    made = [one for one in folders if one not in left]
    for old in left + made[:-KEPT]:
        lock = used.with_name(f"{old.name.removeprefix(PART)}.lock")
        with lock.open("w") as alone, suppress(BlockingIOError):
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(old)
