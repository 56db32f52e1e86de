"""What a stage has done so far, outside of its outputs: a run that was stopped goes on from there.

DVC deletes a stage's outputs before it runs the stage, so what is half done lies elsewhere, in a
folder whose name follows from all that the stage depends on. A journal says what in it is whole.
"""

import fcntl
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tench.core.files import atomic_file, remove_folder
from tench.core.paths import MANIFEST, PARAMS, RESUME_DIR
from tench.core.yaml_files import read_mapping
from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import find_stage

KILLED_MESSAGE = (
    "the last run of {stage} in this folder was killed, by somebody or by the system (which does "
    "so when memory runs out)"
)
# What a stage only checks its finished work against: another value leaves that work as good.
CHECKED_AGAINST = {"data.max_rejected"}


@contextmanager
def resume_folder(stage: str) -> Iterator[Path]:
    """The folder for what `stage` has done so far: kept if the block is left by an error or the
    process killed, deleted once the block is done. What runs that depended on something else left
    of the stage is deleted first."""
    folder = RESUME_DIR / f"{stage}-{stage_fingerprint(stage)}"
    for left in sorted(RESUME_DIR.glob(f"{stage}-*")):
        if left != folder:
            remove_folder(left)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    remove_folder(folder)


@contextmanager
def lock_stage(stage: str) -> Iterator[None]:
    """Let one process at a time run `stage` in this folder; others wait, and say for whom: DVC does
    not know of a stage that goes on after DVC itself was killed. Say also if the last was killed:
    it could not."""
    RESUME_DIR.mkdir(parents=True, exist_ok=True)
    with (RESUME_DIR / f"{stage}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            number = lock.read()  # empty while it has only just begun
            other = f"process {number}" if number else "another process"
            print(f"waiting for {other}, which runs {stage} in this folder", file=sys.stderr)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(lock.fileno()).st_size:
            print(KILLED_MESSAGE.format(stage=stage), file=sys.stderr)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield
        finally:
            lock.truncate(0)


def has_checkpoint(stage: str) -> bool:
    """Whether an earlier run of `stage` with the same inputs and parameters left work to resume.

    Work left by a run with other parameters does not count: `unfinished` deletes it."""
    folders = {file.parent.name for file in RESUME_DIR.glob(f"{stage}-*/*")}
    return bool(folders) and f"{stage}-{stage_fingerprint(stage)}" in folders


def stage_fingerprint(stage: str) -> str:
    """A name that follows from all that a stage depends on as dvc.yaml has it: its command, its
    parameters, and the content of its dependencies. Of features, that of their manifests, which
    have the digests of the rest; of the raw images nothing, since `prepare` asks one by one.
    Parameters that finished work is only checked against are left out (CHECKED_AGAINST)."""
    found = find_stage(stage)
    listed: dict[str, list[str]] = {str(PARAMS): []}
    for one in found["params"]:
        listed.update(one) if isinstance(one, dict) else listed[str(PARAMS)].append(one)
    contents = {file: read_mapping(Path(file).read_bytes(), file) for file in listed}
    values = [
        [file, key, lookup_dotted_key(contents[file], key)]
        for file in listed
        for key in listed[file]
        if key not in CHECKED_AGAINST
    ]
    paths = [Path(dep) for dep in found.get("deps", []) if not dep.startswith("${")]
    digests = [
        [str(file), dvc_digest(file)] for path in paths for file in fingerprinted_paths(path)
    ]
    text = json.dumps([found["cmd"], values, digests], sort_keys=True, default=str)  # dates
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lookup_dotted_key(content: Any, key: str) -> Any:
    """The value under a dotted key."""
    for name in key.split("."):
        content = content[name]
    return content


def fingerprinted_paths(path: Path) -> list[Path]:
    """The files or folders whose content stands for that of `path`."""
    return sorted(path.rglob(MANIFEST)) or [path]


def append_entry(entry: dict[str, Any], journal: Path) -> None:
    """Add a line to a journal. Several threads may."""
    text = json.dumps(entry, ensure_ascii=True, allow_nan=False)
    with journal.open("ab", buffering=0) as lines:
        lines.write(f"{line_checksum(text)} {text}\n".encode())


def read_entries(journal: Path) -> list[dict[str, Any]]:
    """The entries of a journal, none if there is none: those before the first line that is not as
    it was written, from which on the file is cut off."""
    if not journal.is_file():
        return []
    lines = journal.read_bytes().splitlines(keepends=True)
    found: list[dict[str, Any]] = []
    for line in lines:
        check, _, text = line.decode("ascii", errors="replace").partition(" ")
        if not text.endswith("\n") or check != line_checksum(text[:-1]):
            truncate_journal(len(found), journal)
            break
        found.append(json.loads(text))
    return found


def truncate_journal(count: int, journal: Path) -> None:
    """Cut a journal off after so many entries."""
    lines = journal.read_bytes().splitlines(keepends=True)
    with atomic_file(journal) as part:
        part.write_bytes(b"".join(lines[:count]))


def line_checksum(text: str) -> str:
    """By which a line is known to be as it was written."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
