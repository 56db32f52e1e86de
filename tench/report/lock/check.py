"""Stages that `dvc repro` would run again, found from git alone: no images, models or cache.

DVC has no command for this. Without data, `dvc repro --allow-missing --dry` fails on a missing file
if a stage has changed, and does not notice new outputs in dvc.yaml or missing metrics. `dvc status`
reports every stage as changed and exits with 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tench.core.errors import TenchError
from tench.core.params import load_params
from tench.core.paths import PARAMS, PIPELINES
from tench.core.yaml_files import read_mapping
from tench.report.lock.parameters import ABSENT, Key, flatten, recorded_values, yaml_value
from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import all_stage_digests, read_lock_files, read_stages, stage_digests
from tench.run.verify import stage_inputs

MAIN_PIPELINE = PIPELINES[0]
LOCK_FILE = MAIN_PIPELINE.with_suffix(".lock")
LINE_INDENT = "\n       "


def check_lock() -> int:
    """Compare dvc.lock with dvc.yaml, the parameters, the code and the metrics.

    Returns:
        Number of stages in dvc.yaml.

    Raises:
        TenchError: Something has changed. The message has a line per change, with its stages.
    """
    raw = load_params().data.raw
    main, others = read_lock_files()
    out_digests = all_stage_digests(others, "outs") | all_stage_digests(main, "outs")
    stages = read_stages(MAIN_PIPELINE)
    stages_by_change: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for change in stage_changes(name, stage, main.get(name, {}), out_digests, raw):
            stages_by_change.setdefault(change, []).append(name)
    if stages_by_change:
        lines = [f"{', '.join(names)}: {change}" for change, names in stages_by_change.items()]
        raise TenchError(
            f"{LOCK_FILE} does not match this commit; run `dvc repro` and commit {LOCK_FILE} and "
            f"metrics/{LINE_INDENT}{LINE_INDENT.join(lines)}"
        )
    return len(stages)


def stage_changes(
    name: str, stage: dict[str, Any], lock: dict[str, Any], out_digests: Mapping[str, str], raw: str
) -> Iterator[str]:
    """Yield what has changed for a stage since its last run.

    Args:
        name: Name of the stage.
        stage: Its entry in dvc.yaml.
        lock: Its entry in dvc.lock, or empty.
        out_digests: Digests of stage outputs by path, from the lock files.
        raw: Folder of raw images, which is not in git.
    """
    if not lock:
        yield f"not in {LOCK_FILE}"
        return
    if stage["cmd"] != lock.get("cmd"):
        yield f"command changed to: {stage['cmd']}"
    yield from changed_params(stage.get("params", []), lock)
    dep_digests = stage_digests(lock, "deps")
    for path in stage_inputs(name):
        yield from changed_dep(path, dep_digests.get(path.as_posix()), out_digests, raw)
    yield from changed_outs(stage, stage_digests(lock, "outs"))


def changed_params(
    entries: Sequence[str | dict[str, list[str] | None]], lock: dict[str, Any]
) -> Iterator[str]:
    """Yield parameters whose values differ from those of the stage's last run.

    Args:
        entries: The stage's `params` in dvc.yaml: keys of params.yaml, or keys by file (None: all).
        lock: The stage's entry in dvc.lock.
    """
    sections: dict[str, list[Key]] = {}
    for entry in entries:
        by_file = {PARAMS.as_posix(): [entry]} if isinstance(entry, str) else entry
        for file, names in by_file.items():
            keys = [tuple(name.split(".")) for name in names or []]
            sections.setdefault(file, []).extend(keys or [()])
    for file, keys in sections.items():
        now = flatten(read_mapping(Path(file).read_bytes(), file)) if Path(file).exists() else {}
        before = {
            key: values[-1] for key, values in recorded_values({"": lock}, Path(file)).items()
        }
        for key in dict.fromkeys([*now, *before]):
            new, old = now.get(key, ABSENT), before.get(key, ABSENT)
            if new != old and any(key[: len(section)] == section for section in keys):
                yield f"{'.'.join(key)} = {yaml_value(new)} in {file}, run with {yaml_value(old)}"


def changed_dep(
    path: Path, before: str | None, out_digests: Mapping[str, str], raw: str
) -> Iterator[str]:
    """Yield a line if a dependency has changed since the stage's last run.

    Args:
        path: Path of the dependency.
        before: Its digest in dvc.lock, or None.
        out_digests, raw: As in `stage_changes`.
    """
    name, tracked = path.as_posix(), Path(f"{path}.dvc")
    if before is None:
        yield f"reads {name} in {MAIN_PIPELINE} but not in {LOCK_FILE}"
    elif name in out_digests:
        if out_digests[name] != before:
            yield f"not run since {name} changed"
    elif tracked.exists():
        digests = stage_digests(read_mapping(tracked.read_bytes(), tracked), "outs")
        if digests.get(path.name) != before:
            yield f"{name} has changed, according to {tracked}"
    elif path.exists() or not (
        name == raw or any(name.startswith(f"{out}/") for out in out_digests)
    ):
        yield from describe_changed_file(path, before)


def changed_outs(stage: dict[str, Any], before: Mapping[str, str]) -> Iterator[str]:
    """Yield outputs that dvc.lock lacks, and outputs in git that differ from what was written."""
    for out in (out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])):
        name, options = next(iter(out.items())) if isinstance(out, dict) else (out, {})
        if name not in before:
            yield f"writes {name} in {MAIN_PIPELINE} but not in {LOCK_FILE}"
        elif not options.get("cache", True):
            yield from describe_changed_file(Path(name), before[name])


def describe_changed_file(path: Path, before: str) -> Iterator[str]:
    """Yield a line if a file or folder is missing or no longer has the digest `before`."""
    if dvc_digest(path) != before:
        yield f"{path.as_posix()} {'has changed' if path.exists() else 'is missing'}"
