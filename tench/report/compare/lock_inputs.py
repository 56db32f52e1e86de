"""Code, data and packages that made a revision's results, from its dvc.lock."""

from typing import Any

from tench.core.paths import PACKAGES, PARAMS
from tench.report.lock.parameters import ABSENT, Key, recorded_values, yaml_value
from tench.run.dvc_files import Stages, all_stage_digests, stage_digests

FINAL_STAGE = "evaluate"  # the stage whose results are compared

Inputs = frozenset[tuple[str, str]]  # names of code, data and packages, with digest or version


def is_inside(path: str, folders: dict[str, str]) -> bool:
    """Check whether a path equals or lies in one of the folders."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def required_stages(stages: Stages) -> Stages:
    """Return FINAL_STAGE and the stages it depends on, directly or indirectly."""
    required = {FINAL_STAGE: stages[FINAL_STAGE]} if FINAL_STAGE in stages else {}
    pending = list(required.values())
    while pending:
        deps = stage_digests(pending.pop(), "deps")
        for name, stage in stages.items():
            outs = stage_digests(stage, "outs")
            if name not in required and any(is_inside(dep, outs) for dep in deps):
                required[name] = stage
                pending.append(stage)
    return required


def external_digests(stages: Stages) -> Inputs:
    """Return digests of inputs that no stage made, and versions of packages."""
    outs = all_stage_digests(stages, "outs")
    deps = all_stage_digests(stages, "deps").items()
    packages = recorded_values(stages, PACKAGES)
    versions = ((".".join(key), str(values[-1])) for key, values in packages.items())
    return frozenset({dep for dep in deps if not is_inside(dep[0], outs)} | set(versions))


def staleness_reason(stages: Stages, params: dict[Key, Any]) -> str:
    """Return why the results do not match the parameters, or "" if they do."""
    for key, values in recorded_values(stages, PARAMS).items():
        now = params.get(key, ABSENT)
        if [repr(value) for value in values] != [repr(now)]:
            before = " and ".join(map(yaml_value, values))
            return (
                f"{'.'.join(key)} = {yaml_value(now)} in {PARAMS}, but the results were made with "
                f"{before}"
            )
    outs = all_stage_digests(stages, "outs")
    for name, stage in stages.items():
        for path, md5 in stage_digests(stage, "deps").items():
            if outs.get(path, md5) != md5:
                return f"{name} has not been run since {path} changed"
    return ""
