"""The stages that `dvc repro` runs again after a change."""

from pathlib import Path
from typing import Any

from pipeline_clones import read_pipeline_stages, run_dvc, set_params, stages_run

CARD = {"export", "report"}  # both show every parameter
FINETUNE = {"finetune", "evaluate", *CARD}
EXTRACT = {"extract-train"} | FINETUNE
EMBED = {"embed", "audit", "probe"} | EXTRACT
SPLIT = {"split", "audit", "probe"} | EXTRACT
PREPARE = {"prepare"} | SPLIT | EMBED


def planned_stages(project: Path) -> set[str]:
    """The stages that `dvc repro` would run first, because their inputs have changed."""
    return set(stages_run(run_dvc(project, "repro", "--dry")))


def downstream_stages(stages: set[str]) -> set[str]:
    """The stages and all others that depend on their outputs."""
    found, graph = set(stages), read_pipeline_stages()
    graph.pop("baseline")
    while True:
        written = {Path(out) for name in found for out in graph[name].outs}
        more = {
            name
            for name, stage in graph.items()
            if any(written & {Path(dep), *Path(dep).parents} for dep in stage.deps)
        }
        if more <= found:
            return found
        found |= more


def check_reruns(project: Path, key: str, value: Any, first: set[str], stages: set[str]) -> None:
    """Check which stages a changed parameter reruns, and restore params.yaml.

    Args:
        project: a finished run.
        key, value: the parameter.
        first: the stages that DVC would run first.
        stages: these and all that depend on their outputs. That DVC runs them is tested in
            test_pipeline_experiments.py.
    """
    before = (project / "params.yaml").read_bytes()
    set_params(project, {key: value})
    assert planned_stages(project) == first
    assert downstream_stages(first) == stages
    (project / "params.yaml").write_bytes(before)
