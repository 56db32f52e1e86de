"""What the lock files say the results at hand were made from and by."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tench.core.digests import dvc_digest
from tench.core.errors import TenchError
from tench.core.paths import PIPELINES

Stages = dict[str, dict[str, Any]]  # what a lock file holds of every stage, by its name


def parse(text: str, source: str) -> dict[str, Any]:
    """A YAML mapping as DVC reads it. Raises TenchError."""
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        reason = " ".join(str(error).split())
        raise TenchError(f"{source}: not readable as YAML: {reason}") from None
    return content if isinstance(content, dict) else {}


def digests(stage: dict[str, Any], kind: str) -> dict[str, str]:
    """The digests of a locked stage's `outs` or `deps`, by path."""
    return {one["path"]: one.get("md5", "") for one in stage.get(kind, [])}


def all_digests(stages: Stages, kind: str) -> dict[str, str]:
    """The digests of all stages' `outs` or `deps`, by path."""
    return {path: md5 for stage in stages.values() for path, md5 in digests(stage, kind).items()}


def locked() -> tuple[Stages, Stages]:
    """The stages of the pipeline itself, and those of the others: raw data and baseline. Raises
    TenchError."""
    found: list[Stages] = []
    for pipeline in PIPELINES:
        lock = pipeline.with_suffix(".lock")
        text = lock.read_text(encoding="utf-8") if lock.exists() else ""
        found.append(parse(text, lock.as_posix()).get("stages", {}))
    return found[0], {name: stage for others in found[1:] for name, stage in others.items()}


def with_sources(main: Stages, others: Stages) -> Stages:
    """The pipeline's stages, and before them those others that made what these were made from."""
    needed = {dep for stage in main.values() for dep in digests(stage, "deps").items()}
    made = {name: digests(stage, "outs").items() for name, stage in others.items()}
    return {name: others[name] for name, outs in made.items() if needed & outs} | main


def same_place(one: str, two: str) -> bool:
    """Whether two paths lead to one place."""
    return Path(one).resolve() == Path(two).resolve()


def digest_of(place: str, stages: Stages) -> tuple[str, bool]:
    """The digest that the results' stages had of a folder or file they read, if any did; and
    whether one of them made it."""
    read = [md5 for path, md5 in all_digests(stages, "deps").items() if same_place(path, place)]
    made = any(same_place(path, place) for path in all_digests(stages, "outs"))
    return read[0] if read else "", made


def outdated(stages: Stages, unread: str) -> list[str]:
    """What is not as it was when a stage was run, as sentences: then the results at hand are of
    several runs, or of other code.

    Args:
        stages: those that made the results.
        unread: the folder of raw pictures, which is not looked into: it may be large.
    """
    made = all_digests(stages, "outs")
    now = dict(made)
    since: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for path, md5 in digests(stage, "deps").items():
            if path not in now:
                now[path] = md5 if same_place(path, unread) else dvc_digest(Path(path))
            # what lies in an output's folder may be in the cache alone
            absent = not now[path] and any(str(folder) in made for folder in Path(path).parents)
            if now[path] != md5 and not absent:
                since.setdefault(path, []).append(name)
    return [
        f"{path} is not what it was when {', '.join(names)} ran: run dvc repro first"
        for path, names in since.items()
    ]
