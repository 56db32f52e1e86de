"""The check of dvc.lock, without data and in agreement with DVC."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lock_files import YAML_FILE, rewrite_lock_file
from pipeline_clones import (
    clone_checkout,
    commit_all,
    error_line,
    run_command,
    run_dvc,
    run_git,
    set_params,
)

from tench.core.errors import TenchError
from tench.core.files import write_text
from tench.report.lock.check import check_lock

MISSING = ("deleted", "not in cache")  # DVC's status of missing data


@pytest.fixture(scope="module")
def matching(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone without data whose dvc.lock matches it."""
    folder = tmp_path_factory.mktemp("matching") / "project"
    clone_checkout(folder)
    rewrite_lock_file(folder)
    commit_all(folder)
    return folder


@pytest.fixture
def project(matching: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The clone as current folder, restored after each test."""
    monkeypatch.chdir(matching)
    yield matching
    run_git(matching, "clean", "--quiet", "--force", "-d")
    run_git(matching, "checkout", "--quiet", ".")


def edit(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Return a function that replaces existing text in a file of a project."""

    def replace(project: Path) -> None:
        text = (project / name).read_text(encoding="utf-8")
        assert before in text
        write_text(text.replace(before, after), project / name)

    return replace


def lines() -> list[str]:
    """Return the changes that the check reports for the current folder."""
    with pytest.raises(TenchError) as caught:
        check_lock()
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("dvc.lock does not match this commit; run `dvc repro`")
    return [line.strip() for line in rest]


def test_matching_lock_passes_without_data(matching: Path) -> None:
    answer = run_command(matching, sys.executable, "-m", "tench.report.lock")
    assert answer.returncode == 0, answer.stdout
    output = run_dvc(matching, "repro", "--allow-missing", "--dry")
    assert "Data and pipelines are up to date." in output


@pytest.mark.parametrize(
    ("changing", "stage", "expected"),
    [
        (
            lambda project: set_params(project, {"finetune.epochs": 9}),
            "finetune",
            "finetune.epochs = 9 in params.yaml, run with 3",
        ),
        (
            lambda project: set_params(project, {"data.classes": {"n01440764": "carp"}}),
            "prepare",
            'data.classes.n01440764 = "carp" in params.yaml, run with "fish"',
        ),
        (
            edit("packages.yaml", 'pillow: "', 'pillow: "9'),
            "prepare",
            'pillow = "9',
        ),
        (
            edit("dvc.yaml", "cmd: python -m stages.probe", "cmd: python -m stages.probe -v"),
            "probe",
            "command changed to: python -m stages.probe -v",
        ),
        (
            edit("dvc.yaml", "- stages/probe.py", "- stages/probe.py\n      - README.md"),
            "probe",
            "reads README.md in dvc.yaml but not in dvc.lock",
        ),
        (
            edit("dvc.yaml", "[models/probe.npy]", "[models/probe.npy, models/more.npy]"),
            "probe",
            "writes models/more.npy in dvc.yaml but not in dvc.lock",
        ),
        (
            edit("dvc.yaml", "      - class_weights\n", "      - class_weights\n      - audit\n"),
            "probe",
            "audit.max_leaks = 0 in params.yaml, run with (none)",
        ),
        (
            edit("dvc.yaml", "  audit:\n", "  more:\n    cmd: 'true'\n\n  audit:\n"),
            "more",
            "not in dvc.lock",
        ),
        (
            edit("metrics/probe.json", "0.", "1."),
            "probe",
            "metrics/probe.json has changed",
        ),
        (
            lambda project: shutil.rmtree(project / "metrics/finetune/plots"),
            "finetune",
            "metrics/finetune/plots is missing",
        ),
        (
            lambda project: (project / "tench/model/linear_probe.py").unlink(),
            "probe",
            "tench/model/linear_probe.py is missing",
        ),
        (
            edit("data/dvc.lock", "md5: 41a5063f", "md5: 00000000"),
            "prepare",
            "not run since data/raw.txt changed",
        ),
    ],
)
def test_changes_are_reported_with_their_stages(
    project: Path, changing: Callable[[Path], None], stage: str, expected: str
) -> None:
    changing(project)
    changes = [line.split(": ", 1) for line in lines()]
    stages = [names for names, change in changes if change.startswith(expected)]
    assert len(stages) == 1, changes
    assert stage in stages[0].split(", ")


def test_every_code_dependency_is_checked(project: Path) -> None:
    stages = YAML_FILE.load(project / "dvc.yaml")["stages"]
    readers: dict[str, list[str]] = {}
    for name, stage in stages.items():
        for dep in stage["deps"]:
            if dep.startswith(("stages/", "tench/")):
                readers.setdefault(dep, []).append(name)
    assert len(readers) > 20
    for dep in readers:
        file = next(iter(sorted((project / dep).glob("*.py"))), project / dep)
        file.write_bytes(file.read_bytes() + b"\n")
    expected = {f"{', '.join(names)}: {dep} has changed" for dep, names in readers.items()}
    assert set(lines()) == expected


def test_changed_stages_agree_with_dvc_status(project: Path) -> None:
    set_params(project, {"class_weights": "balanced", "export.max_accuracy_drop": 0.03})
    edit("dvc.yaml", "stages.weights", "stages.weights ")(project)
    with (project / "tench/data/audit/label_errors.py").open("a") as file:
        file.write("\n")
    write_text("{}", project / "metrics/prepare.json")
    reported = {name for line in lines() for name in line.split(": ")[0].split(", ")}
    found = set()
    for name, parts in json.loads(run_dvc(project, "status", "--json", "dvc.yaml")).items():
        for part in parts:
            kinds = part.values() if isinstance(part, dict) else ()
            changed = [how for kind in kinds for how in kind.values() if how not in MISSING]
            found |= {name} if changed or isinstance(part, str) else set()
    downstream = {"split", "export", "report"}  # DVC also lists stages downstream of a change
    assert reported | downstream == found | downstream
    assert len(found) > 5


def test_tracked_images_are_checked_by_their_dvc_file(project: Path) -> None:
    set_params(project, {"data.raw": "data/flowers"})
    rewrite_lock_file(project)
    tracked = project / "data/flowers.dvc"
    deps = YAML_FILE.load(project / "dvc.lock")["stages"]["prepare"]["deps"]
    (digest,) = (dep["md5"] for dep in deps if dep["path"] == "data/flowers")
    write_text(f"outs:\n- path: flowers\n  md5: {digest}\n", tracked)
    check_lock()
    write_text(f"outs:\n- path: flowers\n  md5: {digest[::-1]}\n", tracked)
    assert "prepare: data/flowers has changed, according to data/flowers.dvc" in lines()


def test_broken_merge_is_one_error(project: Path) -> None:
    edit("dvc.lock", "schema:", "<<<<<<< HEAD\nschema:")(project)
    answer = run_command(project, sys.executable, "-m", "tench.report.lock")
    assert answer.returncode == 1
    assert error_line(answer.stdout).startswith("error: dvc.lock: not readable as YAML")
    assert "Traceback" not in answer.stdout
