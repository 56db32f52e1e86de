"""Whether what a stage reads is what another stage wrote: byte for byte, by dvc.lock.

DVC itself compares a file with dvc.lock only if its date, size or inode has changed, and takes what
is in its cache, and on a remote without `verify`, for what it is called.
"""

from pathlib import Path

from tench.core.errors import TenchError
from tench.core.paths import CACHED_FEATURES, PARAMS, POOLED_FEATURES
from tench.core.yaml_files import read_mapping
from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import find_stage
from tench.run.recovery import (
    StageOutput,
    damaged_file_error,
    first_changed_file,
    list_stage_outputs,
)

VERIFIED_WHEN_READ = (
    POOLED_FEATURES,
    CACHED_FEATURES,
)  # large, and compared with digests of their own when they are opened


def stage_inputs(stage: str) -> list[Path]:
    """What a stage depends on, as its dvc.yaml has it; nothing of a stage in none. Raises
    TenchError."""
    deps = find_stage(stage).get("deps", [])
    raw = read_mapping(PARAMS.read_bytes(), PARAMS)["data"]["raw"] if deps else ""
    return [Path(dep.replace("${data.raw}", raw)) for dep in deps]


def check_inputs(stage: str) -> None:
    """Compare what a stage reads, and another wrote, with dvc.lock.

    Raises:
        TenchError: something is missing or not what it was; names the file and the way back.
    """
    written = {one.path: one for one in list_stage_outputs()}
    for path in stage_inputs(stage):
        one = written.get(path)
        if one is None or path in VERIFIED_WHEN_READ:
            continue
        if not path.exists():
            raise TenchError(f"{path}: missing: run `dvc repro`, whose stage {one.stage} makes it")
        check_stage_output(one)


def check_results(folder: Path) -> None:
    """Compare what stages wrote into a folder, as far as it is there, with dvc.lock. Raises
    TenchError."""
    for one in list_stage_outputs():
        if one.path.is_relative_to(folder) and one.path.exists():
            check_stage_output(one)


def check_stage_output(one: StageOutput) -> None:
    """Raise TenchError if what a stage wrote is no longer that."""
    if dvc_digest(one.path) != one.digest:
        error = damaged_file_error(first_changed_file(one), f"not what the stage {one.stage} wrote")
        raise TenchError(f"{error}. If the change is meant, `dvc commit -f {one.path}` keeps it")
