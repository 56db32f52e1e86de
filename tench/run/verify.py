"""Verify a stage's inputs against dvc.lock, byte for byte.

DVC compares a file with dvc.lock only if its date, size or inode has changed. It trusts its cache,
and a remote without `verify`.
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

# Large, and compared with the digests of their manifests when they are opened.
VERIFIED_WHEN_READ = (POOLED_FEATURES, CACHED_FEATURES)


def stage_inputs(stage: str) -> list[Path]:
    """The dependencies of a stage in dvc.yaml; [] for an unknown stage. Raises TenchError."""
    deps = find_stage(stage).get("deps", [])
    raw = read_mapping(PARAMS.read_bytes(), PARAMS)["data"]["raw"] if deps else ""
    return [Path(dep.replace("${data.raw}", raw)) for dep in deps]


def check_inputs(stage: str) -> None:
    """Compare those inputs of a stage that other stages wrote with dvc.lock.

    Raises:
        TenchError: an input is missing or has changed; its path is in the error.
    """
    outputs = {output.path: output for output in list_stage_outputs()}
    for path in stage_inputs(stage):
        output = outputs.get(path)
        if output is None or path in VERIFIED_WHEN_READ:
            continue
        if not path.exists():
            raise TenchError(
                f"{path}: missing: run `dvc repro`; its stage {output.stage} writes it"
            )
        check_stage_output(output)


def check_results(folder: Path) -> None:
    """Compare the existing outputs in a folder with dvc.lock. Raises TenchError."""
    for output in list_stage_outputs():
        if output.path.is_relative_to(folder) and output.path.exists():
            check_stage_output(output)


def check_stage_output(output: StageOutput) -> None:
    """Raise TenchError if an output differs from dvc.lock."""
    if dvc_digest(output.path) != output.digest:
        problem = f"not what the stage {output.stage} wrote"
        error = damaged_file_error(first_changed_file(output), problem)
        raise TenchError(f"{error}. If the change is meant, `dvc commit -f {output.path}` keeps it")
