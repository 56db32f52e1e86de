"""The stages that `dvc repro` runs again after a change."""

from pathlib import Path

from pipeline_clones import read_pipeline_stages, run_dvc, stages_run

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
