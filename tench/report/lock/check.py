"""What `dvc repro` would run again, as far as git tells: without an image, a model or a cache.

DVC has no command that says it. Without data `dvc repro --allow-missing --dry` ends, where a stage
has changed, in an error about a file that is not there, and passes over outputs that are new in
dvc.yaml and metrics that are gone; `dvc status` calls every stage changed and exits with 0.
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
    """Compare dvc.lock with dvc.yaml, the parameters, the code and the metrics at hand.

    Returns:
        How many stages dvc.yaml has.

    Raises:
        TenchError: something has changed since; has a line for each change, with its stages.
    """
    raw = load_params().data.raw
    main, others = read_lock_files()
    made = all_stage_digests(others, "outs") | all_stage_digests(main, "outs")
    stages = read_stages(MAIN_PIPELINE)
    found: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for change in stage_changes(name, stage, main.get(name, {}), made, raw):
            found.setdefault(change, []).append(name)
    if found:
        lines = [f"{', '.join(names)}: {change}" for change, names in found.items()]
        raise TenchError(
            f"{LOCK_FILE} is not what `dvc repro` leaves of this commit: run it, and commit {LOCK_FILE} and "
            f"metrics/{LINE_INDENT}{LINE_INDENT.join(lines)}"
        )
    return len(stages)


def stage_changes(
    name: str, stage: dict[str, Any], lock: dict[str, Any], made: Mapping[str, str], raw: str
) -> Iterator[str]:
    """What has changed for a stage since it was run.

    Args:
        name: the stage's.
        stage: as dvc.yaml has it.
        lock: as dvc.lock has it; empty where it does not.
        made: digests of what stages wrote, by path, as the lock files have them.
        raw: the folder of the images, which git does not have.
    """
    if not lock:
        yield f"not in {LOCK_FILE}"
        return
    if stage["cmd"] != lock.get("cmd"):
        yield f"another command: {stage['cmd']}"
    yield from changed_params(stage.get("params", []), lock)
    before = stage_digests(lock, "deps")
    for path in stage_inputs(name):
        yield from changed_dep(path, before.get(path.as_posix()), made, raw)
    yield from changed_outs(stage, stage_digests(lock, "outs"))


def changed_params(
    named: Sequence[str | dict[str, list[str] | None]], lock: dict[str, Any]
) -> Iterator[str]:
    """The parameters that have other values than a stage was run with.

    Args:
        named: what dvc.yaml names of params.yaml, and of other files by their names; None for all.
        lock: the stage as dvc.lock has it.
    """
    sections: dict[str, list[Key]] = {}
    for one in named:
        for file, names in ({PARAMS.as_posix(): [one]} if isinstance(one, str) else one).items():
            keys = [tuple(name.split(".")) for name in names or []]
            sections.setdefault(file, []).extend(keys or [()])
    for file, keys in sections.items():
        now = flatten(read_mapping(Path(file).read_bytes(), file)) if Path(file).exists() else {}
        before = {
            key: values[-1] for key, values in recorded_values({"": lock}, Path(file)).items()
        }
        for key in dict.fromkeys([*now, *before]):
            new, old = now.get(key, ABSENT), before.get(key, ABSENT)
            if new != old and any(key[: len(one)] == one for one in keys):
                yield f"{'.'.join(key)} = {yaml_value(new)} in {file}, run with {yaml_value(old)}"


def changed_dep(path: Path, before: str | None, made: Mapping[str, str], raw: str) -> Iterator[str]:
    """In a line, that what a stage reads is not what it was run with; none if it is, or if git
    cannot tell.

    Args:
        path: of what it reads.
        before: its digest then; None if the stage did not read it.
        made, raw: as of `changes`.
    """
    name, tracked = path.as_posix(), Path(f"{path}.dvc")
    if before is None:
        yield f"reads {name} by {MAIN_PIPELINE}, and not by {LOCK_FILE}"
    elif name in made:
        if made[name] != before:
            yield f"not run since {name} was made anew"
    elif tracked.exists():
        if (
            stage_digests(read_mapping(tracked.read_bytes(), tracked), "outs").get(path.name)
            != before
        ):
            yield f"{name} has changed, by {tracked}"
    elif path.exists() or not (name == raw or any(name.startswith(f"{one}/") for one in made)):
        yield from describe_changed_file(path, before)


def changed_outs(stage: dict[str, Any], before: Mapping[str, str]) -> Iterator[str]:
    """What a stage writes by dvc.yaml and not by dvc.lock; and what git has of it that is not what
    the stage wrote."""
    for one in (one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])):
        name, options = next(iter(one.items())) if isinstance(one, dict) else (one, {})
        if name not in before:
            yield f"writes {name} by {MAIN_PIPELINE}, and not by {LOCK_FILE}"
        elif not options.get("cache", True):
            yield from describe_changed_file(Path(name), before[name])


def describe_changed_file(path: Path, before: str) -> Iterator[str]:
    """In a line, that a file or folder has another digest than before, or is gone."""
    if dvc_digest(path) != before:
        yield f"{path.as_posix()} {'has changed' if path.exists() else 'is not there'}"
