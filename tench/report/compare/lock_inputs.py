"""What a revision's dvc.lock says its results were made from, by and with."""

from typing import Any

from tench.core.paths import PACKAGES, PARAMS
from tench.report.lock.parameters import ABSENT, Key, recorded_values, yaml_value
from tench.run.dvc_files import Stages, all_stage_digests, stage_digests

FINAL_STAGE = "evaluate"  # the stage that leaves what is compared

Inputs = frozenset[tuple[str, str]]  # code, data and packages, each with its digest or version


def is_inside(path: str, folders: dict[str, str]) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def required_stages(stages: Stages) -> Stages:
    """The stage LAST and all that it needs, directly or not."""
    found = {FINAL_STAGE: stages[FINAL_STAGE]} if FINAL_STAGE in stages else {}
    waiting = list(found.values())
    while waiting:
        deps = stage_digests(waiting.pop(), "deps")
        for name, stage in stages.items():
            outs = stage_digests(stage, "outs")
            if name not in found and any(is_inside(dep, outs) for dep in deps):
                found[name] = stage
                waiting.append(stage)
    return found


def external_digests(stages: Stages) -> Inputs:
    """What no stage made, and all of it that is no parameter."""
    made = all_stage_digests(stages, "outs")
    deps = all_stage_digests(stages, "deps").items()
    packages = recorded_values(stages, PACKAGES)
    versions = ((".".join(key), str(values[-1])) for key, values in packages.items())
    return frozenset({dep for dep in deps if not is_inside(dep[0], made)} | set(versions))


def staleness_reason(stages: Stages, params: dict[Key, Any]) -> str:
    """Why the results are not those of the parameters, or empty if they are."""
    for key, values in recorded_values(stages, PARAMS).items():
        now = params.get(key, ABSENT)
        if [repr(value) for value in values] != [repr(now)]:
            before = " and ".join(map(yaml_value, values))
            return (
                f"{'.'.join(key)} = {yaml_value(now)} in {PARAMS}, but the results were made with "
                f"{before}"
            )
    made = all_stage_digests(stages, "outs")
    for name, stage in stages.items():
        for path, md5 in stage_digests(stage, "deps").items():
            if made.get(path, md5) != md5:
                return f"{name} has not been run since {path} was made anew"
    return ""
