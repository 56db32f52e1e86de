"""A changed parameter, room or package reruns what depends on it and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import read_pipeline_stages, run_dvc, set_params
from reruns import CARD, FINETUNE, PREPARE, downstream_stages, planned_stages

ROWS = [
    ("finetune.learning_rate", 1e-5, {"finetune", *CARD}, FINETUNE),
    ("data.image_size", 96, {"prepare", "embed", *FINETUNE}, PREPARE),
]


@pytest.mark.parametrize(
    ("key", "value", "first", "stages"),
    ROWS,
)
def test_what_depends_on_a_parameter_runs_again(
    unchanged: Path, key: str, value: Any, first: set[str], stages: set[str]
) -> None:
    """The first by DVC's own word, what follows from them by what stages write and read; that DVC
    follows it for real is in test_pipeline_experiments.py."""
    before = (unchanged / "params.yaml").read_bytes()
    set_params(unchanged, {key: value})
    assert planned_stages(unchanged) == first
    assert downstream_stages(first) == stages
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
