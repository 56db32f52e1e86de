"""What a revision's dvc.lock says its results were made from, by and with."""

from typing import Any

from tench.core.paths import PACKAGES, PARAMS
from tench.core.pipelines import Stages, all_digests, digests
from tench.reporting.parameters import ABSENT, Key, recorded, shown

LAST = "evaluate"  # the stage that leaves what is compared

Inputs = frozenset[tuple[str, str]]  # code, data and packages, each with its digest or version


def lies_in(path: str, folders: dict[str, str]) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def needed(stages: Stages) -> Stages:
    """The stage LAST and all that it needs, directly or not."""
    found = {LAST: stages[LAST]} if LAST in stages else {}
    waiting = list(found.values())
    while waiting:
        deps = digests(waiting.pop(), "deps")
        for name, stage in stages.items():
            outs = digests(stage, "outs")
            if name not in found and any(lies_in(dep, outs) for dep in deps):
                found[name] = stage
                waiting.append(stage)
    return found


def inputs(stages: Stages) -> Inputs:
    """What no stage made, and all of it that is no parameter."""
    made = all_digests(stages, "outs")
    deps = all_digests(stages, "deps").items()
    packages = recorded(stages, PACKAGES)
    versions = ((".".join(key), str(values[-1])) for key, values in packages.items())
    return frozenset({dep for dep in deps if not lies_in(dep[0], made)} | set(versions))


def stale(stages: Stages, params: dict[Key, Any]) -> str:
    """Why the results are not those of the parameters, or empty if they are."""
    for key, values in recorded(stages, PARAMS).items():
        now = params.get(key, ABSENT)
        if [repr(value) for value in values] != [repr(now)]:
            before = " and ".join(map(shown, values))
            return (
                f"{'.'.join(key)} = {shown(now)} in {PARAMS}, but the results were made with "
                f"{before}"
            )
    made = all_digests(stages, "outs")
    for name, stage in stages.items():
        for path, md5 in digests(stage, "deps").items():
            if made.get(path, md5) != md5:
                return f"{name} has not been run since {path} was made anew"
    return ""
