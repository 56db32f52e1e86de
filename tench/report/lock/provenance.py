"""What the lock files say the results at hand were made from and by."""

from pathlib import Path

from tench.run.dvc_digest import dvc_digest
from tench.run.dvc_files import Stages, all_stage_digests, stage_digests


def with_source_stages(main: Stages, others: Stages) -> Stages:
    """The pipeline's stages, and before them those others that made what these were made from."""
    needed = {dep for stage in main.values() for dep in stage_digests(stage, "deps").items()}
    made = {name: stage_digests(stage, "outs").items() for name, stage in others.items()}
    return {name: others[name] for name, outs in made.items() if needed & outs} | main


def is_same_path(one: str, two: str) -> bool:
    """Whether two paths lead to one place."""
    return Path(one).resolve() == Path(two).resolve()


def recorded_digest(place: str, stages: Stages) -> tuple[str, bool]:
    """The digest that the results' stages had of a folder or file they read, if any did; and
    whether one of them made it."""
    read = [
        md5 for path, md5 in all_stage_digests(stages, "deps").items() if is_same_path(path, place)
    ]
    made = any(is_same_path(path, place) for path in all_stage_digests(stages, "outs"))
    return read[0] if read else "", made


def outdated_reasons(stages: Stages, unread: str) -> list[str]:
    """What is not as it was when a stage was run, as sentences: then the results at hand are of
    several runs, or of other code.

    Args:
        stages: those that made the results.
        unread: the folder of raw images, which is not looked into: it may be large.
    """
    made = all_stage_digests(stages, "outs")
    now = dict(made)
    since: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for path, md5 in stage_digests(stage, "deps").items():
            if path not in now:
                now[path] = md5 if is_same_path(path, unread) else dvc_digest(Path(path))
            # what lies in an output's folder may be in the cache alone
            absent = not now[path] and any(str(folder) in made for folder in Path(path).parents)
            if now[path] != md5 and not absent:
                since.setdefault(path, []).append(name)
    return [
        f"{path} is not what it was when {', '.join(names)} ran: run dvc repro first"
        for path, names in since.items()
    ]
