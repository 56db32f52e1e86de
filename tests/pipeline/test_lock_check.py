"""Whether dvc.lock belongs to what is committed, told without data, and as DVC itself would."""

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

MISSING = ("deleted", "not in cache")  # which DVC says of data that are not there


@pytest.fixture(scope="module")
def belonging(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone without data whose dvc.lock belongs to it."""
    folder = tmp_path_factory.mktemp("belonging") / "project"
    clone_checkout(folder)
    rewrite_lock_file(folder)
    commit_all(folder)
    return folder


@pytest.fixture
def project(belonging: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """It, the current folder, to be changed by one test."""
    monkeypatch.chdir(belonging)
    yield belonging
    run_git(belonging, "clean", "--quiet", "--force", "-d")
    run_git(belonging, "checkout", "--quiet", ".")


def edit(name: str, before: str, after: str) -> Callable[[Path], None]:
    """Replaces text, which must be there, in a file of a project."""

    def replace(project: Path) -> None:
        text = (project / name).read_text(encoding="utf-8")
        assert before in text
        write_text(text.replace(before, after), project / name)

    return replace


def lines() -> list[str]:
    """What is told of the current folder."""
    with pytest.raises(TenchError) as caught:
        check_lock()
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("dvc.lock is not what `dvc repro` leaves of this commit: run it")
    return [line.strip() for line in rest]


def test_a_lock_that_belongs_passes_without_data_as_dvc_has_it(belonging: Path) -> None:
    answer = run_command(belonging, sys.executable, "-m", "tench.report.lock")
    assert answer.returncode == 0, answer.stdout
    told = run_dvc(belonging, "repro", "--allow-missing", "--dry")
    assert "Data and pipelines are up to date." in told


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
            "another command: python -m stages.probe -v",
        ),
        (
            edit("dvc.yaml", "- stages/probe.py", "- stages/probe.py\n      - README.md"),
            "probe",
            "reads README.md by dvc.yaml, and not by dvc.lock",
        ),
        (
            edit("dvc.yaml", "[models/probe.npy]", "[models/probe.npy, models/more.npy]"),
            "probe",
            "writes models/more.npy by dvc.yaml, and not by dvc.lock",
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
            "metrics/finetune/plots is not there",
        ),
        (
            lambda project: (project / "tench/model/linear_probe.py").unlink(),
            "probe",
            "tench/model/linear_probe.py is not there",
        ),
        (
            edit("data/dvc.lock", "md5: 41a5063f", "md5: 00000000"),
            "prepare",
            "not run since data/raw.txt was made anew",
        ),
    ],
)
def test_changes_are_reported_with_their_stages(
    project: Path, changing: Callable[[Path], None], stage: str, expected: str
) -> None:
    changing(project)
    told = [line.split(": ", 1) for line in lines()]
    stages = [names for names, change in told if change.startswith(expected)]
    assert len(stages) == 1, told
    assert stage in stages[0].split(", ")


def test_of_all_code_that_stages_read_none_is_overlooked(project: Path) -> None:
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


def test_the_stages_are_those_that_dvc_finds_changed(project: Path) -> None:
    set_params(project, {"class_weights": "balanced", "export.max_accuracy_drop": 0.03})
    edit("dvc.yaml", "stages.weights", "stages.weights ")(project)
    with (project / "tench/data/audit/label_errors.py").open("a") as file:
        file.write("\n")
    write_text("{}", project / "metrics/prepare.json")
    told = {name for line in lines() for name in line.split(": ")[0].split(", ")}
    found = set()
    for name, parts in json.loads(run_dvc(project, "status", "--json", "dvc.yaml")).items():
        for part in parts:
            kinds = part.values() if isinstance(part, dict) else ()
            changed = [how for kind in kinds for how in kind.values() if how not in MISSING]
            found |= {name} if changed or isinstance(part, str) else set()
    downstream = {"split", "export", "report"}  # which DVC names for what they read of others, too
    assert told | downstream == found | downstream
    assert len(found) > 5


def test_images_that_dvc_tracks_are_reported_by_their_file(project: Path) -> None:
    set_params(project, {"data.raw": "data/flowers"})
    rewrite_lock_file(project)
    tracked = project / "data/flowers.dvc"
    deps = YAML_FILE.load(project / "dvc.lock")["stages"]["prepare"]["deps"]
    (digest,) = (dep["md5"] for dep in deps if dep["path"] == "data/flowers")
    write_text(f"outs:\n- path: flowers\n  md5: {digest}\n", tracked)
    check_lock()
    write_text(f"outs:\n- path: flowers\n  md5: {digest[::-1]}\n", tracked)
    assert "prepare: data/flowers has changed, by data/flowers.dvc" in lines()


def test_a_broken_merge_is_reported_in_a_line(project: Path) -> None:
    edit("dvc.lock", "schema:", "<<<<<<< HEAD\nschema:")(project)
    answer = run_command(project, sys.executable, "-m", "tench.report.lock")
    assert answer.returncode == 1
    assert error_line(answer.stdout).startswith("error: dvc.lock: not readable as YAML")
    assert "Traceback" not in answer.stdout
