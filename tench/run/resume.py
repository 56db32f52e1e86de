"""Checkpoints of interrupted stages, from which the next run resumes.

DVC deletes a stage's outputs before it runs the stage, so checkpoints are in another folder. Its
name contains a fingerprint of the stage's dependencies. A journal lists the complete items.
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
    "the last run of {stage} in this folder was killed, by a user or by the system, for example "
    "when memory ran out"
)
# Limits that finished work is compared with. Another value does not invalidate the work.
LIMIT_KEYS = {"data.max_rejected"}


@contextmanager
def resume_folder(stage: str) -> Iterator[Path]:
    """Yield the checkpoint folder of `stage`.

    It is deleted when the block succeeds, and stays after an error or a kill. A checkpoint from
    runs with other dependencies is deleted first.
    """
    folder = RESUME_DIR / f"{stage}-{stage_fingerprint(stage)}"
    for other in sorted(RESUME_DIR.glob(f"{stage}-*")):
        if other != folder:
            remove_folder(other)
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    remove_folder(folder)


@contextmanager
def lock_stage(stage: str) -> Iterator[None]:
    """Let only one process run `stage` in this folder; others wait and print the process id.

    DVC does not detect a stage that still runs after DVC itself was killed. Prints a message if the
    last run of the stage was killed.
    """
    RESUME_DIR.mkdir(parents=True, exist_ok=True)
    with (RESUME_DIR / f"{stage}.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read()  # empty until the other process has written it
            other = f"process {pid}" if pid else "another process"
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
    """Whether an earlier run of `stage` with the same inputs and parameters left work to resume."""
    folders = {file.parent.name for file in RESUME_DIR.glob(f"{stage}-*/*")}
    return bool(folders) and f"{stage}-{stage_fingerprint(stage)}" in folders


def stage_fingerprint(stage: str) -> str:
    """Digest of a stage's command, parameters and dependencies in dvc.yaml, in hexadecimal.

    Features count with their manifests, which contain the digests of the shards. Raw images do not
    count, since `prepare` checks each. Parameters in LIMIT_KEYS do not count.
    """
    entry = find_stage(stage)
    keys: dict[str, list[str]] = {str(PARAMS): []}  # by file
    for param in entry["params"]:
        keys.update(param) if isinstance(param, dict) else keys[str(PARAMS)].append(param)
    contents = {file: read_mapping(Path(file).read_bytes(), file) for file in keys}
    values = [
        [file, key, lookup_dotted_key(contents[file], key)]
        for file in keys
        for key in keys[file]
        if key not in LIMIT_KEYS
    ]
    paths = [Path(dep) for dep in entry.get("deps", []) if not dep.startswith("${")]
    digests = [
        [str(file), dvc_digest(file)] for path in paths for file in fingerprinted_paths(path)
    ]
    text = json.dumps([entry["cmd"], values, digests], sort_keys=True, default=str)  # for dates
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def lookup_dotted_key(content: Any, key: str) -> Any:
    """The value at a dotted key of nested mappings."""
    for name in key.split("."):
        content = content[name]
    return content


def fingerprinted_paths(path: Path) -> list[Path]:
    """The manifests below `path`, which stand for its content; else `path` itself."""
    return sorted(path.rglob(MANIFEST)) or [path]


def append_entry(entry: dict[str, Any], journal: Path) -> None:
    """Append an entry to a journal. Thread-safe."""
    text = json.dumps(entry, ensure_ascii=True, allow_nan=False)
    with journal.open("ab", buffering=0) as lines:
        lines.write(f"{line_checksum(text)} {text}\n".encode())


def read_entries(journal: Path) -> list[dict[str, Any]]:
    """The entries of a journal; [] if it is missing. Truncates it at the first damaged line."""
    if not journal.is_file():
        return []
    lines = journal.read_bytes().splitlines(keepends=True)
    entries: list[dict[str, Any]] = []
    for line in lines:
        check, _, text = line.decode("ascii", errors="replace").partition(" ")
        if not text.endswith("\n") or check != line_checksum(text[:-1]):
            truncate_journal(len(entries), journal)
            break
        entries.append(json.loads(text))
    return entries


def truncate_journal(count: int, journal: Path) -> None:
    """Truncate a journal after `count` entries."""
    lines = journal.read_bytes().splitlines(keepends=True)
    with atomic_file(journal) as part:
        part.write_bytes(b"".join(lines[:count]))


def line_checksum(text: str) -> str:
    """Checksum of a journal line, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
