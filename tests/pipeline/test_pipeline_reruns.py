"""A changed parameter, room or package reruns what depends on it and nothing else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import read_pipeline_stages, run_dvc, set_params, stages_run

CARD = {"export", "report"}  # both show every parameter
FINETUNE = {"finetune", "evaluate", *CARD}
EXTRACT = {"extract-train"} | FINETUNE
EMBED = {"embed", "audit", "probe"} | EXTRACT
SPLIT = {"split", "audit", "probe"} | EXTRACT
PREPARE = {"prepare"} | SPLIT | EMBED


ROWS = [
    ("finetune.learning_rate", 1e-5, {"finetune", *CARD}, FINETUNE),
    ("data.image_size", 96, {"prepare", "embed", *FINETUNE}, PREPARE),
]
MORE = [  # in make test-experiments, since asking DVC takes seconds
    ("finetune.epochs", 1, {"finetune", *CARD}, FINETUNE),
    ("finetune.fine_tune_at", 140, FINETUNE, FINETUNE),
    ("extract_train.learning_rate", 1e-3, {"extract-train", "finetune", *CARD}, EXTRACT),
    ("class_weights", "balanced", {"probe", *EXTRACT} - {"evaluate"}, {"probe", *EXTRACT}),
    ("extract_train.solver", "logistic", EXTRACT, EXTRACT),
    ("audit.max_leaks", 3, {"audit", *CARD}, {"audit", *CARD}),
    ("export.max_accuracy_drop", 0.1, CARD, CARD),
    ("extract_train.dense_units", 32, {"audit", *EXTRACT}, {"audit", *EXTRACT}),
    ("backbone.engine", "tensorflow", {"embed", *FINETUNE}, EMBED),
    ("data.test_fraction", 0.3, {"split", *CARD}, SPLIT),
    ("data.classes.n01440764", "tench", {"prepare", *CARD}, PREPARE),
]


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by its path there."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def planned(project: Path) -> set[str]:
    """The stages whose inputs dvc knows to have changed, without running any."""
    return set(stages_run(run_dvc(project, "repro", "--dry")))


def downstream(stages: set[str]) -> set[str]:
    """These stages and all of a plain `dvc repro` that depend on what they write."""
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


@pytest.mark.parametrize(
    ("key", "value", "first", "stages"),
    [*ROWS, *(pytest.param(*row, marks=pytest.mark.experiments) for row in MORE)],
)
def test_what_depends_on_a_parameter_runs_again(
    unchanged: Path, key: str, value: Any, first: set[str], stages: set[str]
) -> None:
    """The first by DVC's own word, what follows from them by what stages write and read; that DVC
    follows it for real is in test_pipeline_experiments.py."""
    before = (unchanged / "params.yaml").read_bytes()
    set_params(unchanged, {key: value})
    assert planned(unchanged) == first
    assert downstream(first) == stages
    (unchanged / "params.yaml").write_bytes(before)


def changed_deps(project: Path) -> dict[str, set[str]]:
    """The dependencies of each stage that `dvc status` calls modified."""
    status = json.loads(run_dvc(project, "status", "--json"))
    return {
        stage.split(":")[-1]: changed
        for stage, found in status.items()
        if not stage.startswith("baseline/")  # which no test runs
        and (
            changed := {
                path
                for one in found
                if isinstance(one, dict)
                for path in one.get("changed deps", {})
            }
        )
    }


def test_one_line_in_a_room_concerns_the_stages_that_name_it(unchanged: Path) -> None:
    kept = {}
    rooms = sorted(folder.parent for folder in (unchanged / "tench").glob("*/__init__.py"))
    for room in rooms:
        file = max(room.glob("*.py"), key=lambda one: one.stat().st_size)
        kept[file] = file.read_text(encoding="utf-8")
        file.write_text(kept[file] + "\n# changed\n", encoding="utf-8")
    changed = changed_deps(unchanged)
    for file, text in kept.items():
        file.write_text(text, encoding="utf-8")
    names = {room.relative_to(unchanged).as_posix() for room in rooms}
    for name, stage in read_pipeline_stages().items():
        if name == "baseline":
            continue
        assert changed.get(name, set()) & names == stage.deps & names, name
    assert not any("tench/run" in found for found in changed.values())


def test_another_version_of_a_package_concerns_the_stages_that_use_it(unchanged: Path) -> None:
    file = unchanged / "packages.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('matplotlib: "', 'matplotlib: "99.'), encoding="utf-8")
    assert changed_deps(unchanged) == {"report": {"packages.yaml"}}
    file.write_text(text.replace('keras: "', 'keras: "99.'), encoding="utf-8")
    users = {name for name, stage in read_pipeline_stages().items() if "keras" in stage.packages}
    assert users >= {"weights", "embed", "extract-train", "finetune", "evaluate"}
    assert changed_deps(unchanged).keys() == users - {"baseline"}
    file.write_text(text, encoding="utf-8")


@pytest.mark.experiments
def test_another_tap_leaves_the_pooled_features_and_the_head(own_project: Path) -> None:
    pooled, tapped = (own_project / "data/features" / name for name in ("pooled", "activations"))
    before = digests(pooled), digests(tapped)
    set_params(
        own_project, {"backbone.cache_at": "auto", "finetune.fine_tune_at": "block_15_expand"}
    )
    assert stages_run(run_dvc(own_project, "repro", "embed")) == ["embed"]
    assert planned(own_project) == EMBED - {"extract-train", "probe", "audit", "embed"}
    assert digests(pooled) == before[0]
    assert digests(tapped) != before[1]
