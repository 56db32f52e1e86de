"""A changed parameter, module or package reruns the stages that depend on it, and no others."""

import json
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import read_pipeline_stages, run_dvc
from reruns import CARD, FINETUNE, PREPARE, check_reruns

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
    check_reruns(unchanged, key, value, first, stages)


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


def test_a_line_of_code_reruns_the_stages_that_depend_on_it(unchanged: Path) -> None:
    stages = {name: stage for name, stage in read_pipeline_stages().items() if name != "baseline"}
    code = {dep for stage in stages.values() for dep in stage.deps if dep.startswith("tench/")}
    before = {}
    for dep in sorted({*code, "tench/run"}):
        path = unchanged / dep
        files = [path] if path.is_file() else path.rglob("*.py")
        file = max(files, key=lambda file: file.stat().st_size)
        before.setdefault(file, file.read_text(encoding="utf-8"))
        file.write_text(before[file] + "\n# changed\n", encoding="utf-8")
    changed = changed_deps(unchanged)
    for file, text in before.items():
        file.write_text(text, encoding="utf-8")
    for name, stage in stages.items():
        assert changed.get(name, set()) & code == stage.deps & code, name
    assert not any("tench/run" in deps for deps in changed.values())


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
