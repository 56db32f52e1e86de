"""Inputs and stages of the results, according to the lock files."""

from pathlib import Path

from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import Stages, all_stage_digests, stage_digests


def with_source_stages(main: Stages, others: Stages) -> Stages:
    """Return the main stages, preceded by stages of other pipelines that made their inputs."""
    needed = {dep for stage in main.values() for dep in stage_digests(stage, "deps").items()}
    made = {name: stage_digests(stage, "outs").items() for name, stage in others.items()}
    return {name: others[name] for name, outs in made.items() if needed & outs} | main


def is_same_path(first: str, second: str) -> bool:
    """Check whether two paths resolve to the same file or folder."""
    return Path(first).resolve() == Path(second).resolve()


def recorded_digest(path: str, stages: Stages) -> tuple[str, bool]:
    """Return the locked digest of an input ("" if none reads it) and whether a stage made it."""
    deps = all_stage_digests(stages, "deps").items()
    digest = next((md5 for dep, md5 in deps if is_same_path(dep, path)), "")
    return digest, any(is_same_path(out, path) for out in all_stage_digests(stages, "outs"))


def outdated_reasons(stages: Stages, unread: str) -> list[str]:
    """Describe inputs that have changed since a stage ran.

    Args:
        stages: Locked stages that made the results.
        unread: Folder of raw images, which is not read because it may be large.
    """
    out_digests = all_stage_digests(stages, "outs")
    now = dict(out_digests)
    outdated: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for path, md5 in stage_digests(stage, "deps").items():
            if path not in now:
                now[path] = md5 if is_same_path(path, unread) else dvc_digest(Path(path))
            # a file in an output folder may exist only in DVC's cache
            only_cached = not now[path] and any(
                str(folder) in out_digests for folder in Path(path).parents
            )
            if now[path] != md5 and not only_cached:
                outdated.setdefault(path, []).append(name)
    return [
        f"{path} has changed since {', '.join(names)} ran: run dvc repro"
        for path, names in outdated.items()
    ]
