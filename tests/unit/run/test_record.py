"""Records of stage runs, identified by the digests of their outputs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pipeline_clones import CHECKOUT, run_command, run_git
from ruamel.yaml import YAML

from tench.core.names import DVC_IGNORED
from tench.core.paths import COSTS, RUN_RECORDS
from tench.run import process_setup
from tench.run import record as recording
from tench.run.dvc_digest import dvc_digest
from tench.run.record import (
    CODE_PATHS,
    changed_files,
    find_record,
    git_refusal,
    read_record,
    record_file,
    write_record,
)

NAMES = (
    *("b.txt", "a/b.txt", "a-b/1", "a.b/1", "a b/1", "A/b", "B", "a/c/d/e.txt", "z", "a/é/鱼.bin"),
    *("é", "e\u0301", "ﬀ", "🐟", 'quote "q".txt', "back\\slash", ".hidden"),
)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, content: str = "") -> Path:
    """Write a file, and the folders it lies in."""
    file = Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


def record(stage: str, *outs: Path, ended: str = "") -> Path:
    """Record a run that wrote `outs`; return where."""
    write_record(stage, outs, 1.5, {"numpy": "2.0"}, {"engine": "litert"})
    file = record_file(stage, digests(*outs))
    if ended:
        file.write_text(json.dumps(json.loads(file.read_text()) | {"ended": ended}))
    return file


def digests(*outs: Path) -> dict[str, str]:
    """The digests of outputs, as dvc.lock has them."""
    return {out.as_posix(): dvc_digest(out) for out in outs}


def test_digests_are_those_of_dvc(project: Path) -> None:
    write(".dvc/config", "[core]\n    no_scm = true\n    analytics = false\n")
    (project / ".dvcignore").write_bytes((CHECKOUT / ".dvcignore").read_bytes())
    for number, name in enumerate(NAMES):
        write(f"folder/{name}", name * number)
    ignored = ("a/__pycache__/a.pyc", "a/.part-b.txt", ".part-c/d", "a/dvc.yaml", "a/b.dvc")
    for name in (*ignored, "a/.dvcignore"):  # which .dvcignore names
        write(f"folder/{name}", "ignored")
    (project / "folder/empty").mkdir()
    (project / "folder/link").symlink_to(write(str(project / "elsewhere"), "linked to"))
    large = project / "large.bin"
    large.write_bytes(bytes(range(256)) * 2**13 + b"and a rest")
    paths = [Path("folder"), Path("large.bin"), write("empty.txt")]
    command = [sys.executable, "-m", "dvc", "add", "--quiet", "--no-commit", *map(str, paths)]
    subprocess.run(command, check=True)
    for path in paths:
        content = YAML(typ="safe").load(path.with_name(f"{path.name}.dvc"))
        assert dvc_digest(path) == content["outs"][0]["md5"], path
    assert dvc_digest(Path("gone")) == ""


def test_ignored_names_are_those_of_dvcignore() -> None:
    lines = (CHECKOUT / ".dvcignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.rstrip("/") for line in lines if line and line[0] not in "#!"]
    assert sorted([*patterns, ".git", ".hg"]) == sorted(DVC_IGNORED)  # DVC itself ignores these two


def test_a_record_is_found_by_what_the_run_wrote() -> None:
    model, scores = write("models/a.h5", "a"), write("metrics/a.json")
    record("extract-train", model, scores)
    here = digests(model, scores) | {"metrics/extract-train": "another digest"}
    found = find_record("extract-train", here)
    assert found is not None
    assert (found.stage, found.seconds, found.outs) == (
        "extract-train",
        1.5,
        digests(model, scores),
    )
    assert (found.packages, found.facts) == ({"numpy": "2.0"}, {"engine": "litert"})
    assert found.peak_mb > 1
    assert find_record("evaluate", here) is None
    assert find_record("extract", here) is None
    assert find_record("extract-train", digests(model)) is None
    assert find_record("extract-train", here | {"models/a.h5": "of another run"}) is None


def test_memory_is_not_that_of_the_process_that_started_this_one() -> None:
    script = "from tench.run.record import peak_memory_mb; print(peak_memory_mb())"
    held = bytearray(b"1") * 400_000_000
    answer = run_command(CHECKOUT, sys.executable, "-c", script)
    assert len(held) / 1e6 > 2 * float(answer.stdout) > 20


def test_records_of_other_outputs_stay_and_are_found_again() -> None:
    model = write("model", "one")
    first, before = record("finetune", model), digests(model)
    write("model", "two")
    second, after = record("finetune", model), digests(model)
    assert first != second
    assert find_record("finetune", before) == read_record(first)
    assert find_record("finetune", after) == read_record(second)
    assert find_record("finetune", {}) is None


def test_the_last_of_several_runs_is_found() -> None:
    one, two = write("one"), write("two")
    record("embed", one, ended="2030-01-02 00:00:00")
    record("embed", two, ended="2030-01-01 23:59:59")
    found = find_record("embed", digests(one, two))
    assert found is not None
    assert found.outs == digests(one)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"stage": "embed"}', b"[1]", b"\xff", None])
def test_a_record_that_cannot_be_read_is_no_record(content: bytes | None) -> None:
    out = write("out")
    file = record("embed", out)
    file.unlink()
    file.mkdir() if content is None else file.write_bytes(content)
    assert find_record("embed", digests(out)) is None


def test_a_run_without_outputs_is_never_found() -> None:
    record("report")
    assert len(list(RUN_RECORDS.iterdir())) == 1
    assert find_record("report", digests(write("out"))) is None


def test_only_changed_code_is_recorded(project: Path) -> None:
    for path in CODE_PATHS:
        write(f"{path}/a é.py" if path.suffix == "" else str(path))
    write("README.md")
    run_git(project, "init", "--quiet")
    run_git(project, "add", ".")
    run_git(project, "commit", "--quiet", "--message=test")
    assert changed_files() == []
    write("README.md", "new")
    write("notes.txt")
    write("tench/a é.py", "new")
    write("stages/new.py")
    Path("dvc.yaml").unlink()
    assert changed_files() == ["dvc.yaml", "stages/new.py", "tench/a é.py"]
    found = read_record(record("embed", write("out")))
    assert found is not None
    assert found.changed == changed_files()
    assert found.commit == run_git(project, "rev-parse", "HEAD").strip()


def test_outside_of_git_there_is_no_commit() -> None:
    found = read_record(record("embed", write("out")))
    assert found is not None
    assert (found.commit, found.changed) == ("", [])


def test_a_git_error_differs_from_no_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert git_refusal() == ""  # no repository
    run_git(project, "init", "--quiet")
    assert git_refusal() == ""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch for its tests
    assert "safe.directory" in git_refusal()
    record("embed", write("out"))
    assert "dubious ownership" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [None, b"", b"VmHWM:", b"VmHWM: no\n", b"model name\nmodel name : \xff\n"]
)
def test_odd_system_files_do_not_fail_a_run(
    content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Path("system")
    file.mkdir() if content is None else file.write_bytes(content)
    monkeypatch.setattr(recording, "PROC_STATUS", file)
    monkeypatch.setattr(process_setup, "CPUINFO", file)
    monkeypatch.setenv("PATH", "")  # no git
    found = read_record(record("embed", write("out")))
    assert found is not None
    assert found.peak_mb > 1
    assert found.commit == ""


@pytest.mark.parametrize(
    ("costs", "facts", "out"),
    [
        pytest.param('{"other": NaN}', {}, "out", id="costs that are no JSON"),
        pytest.param("[" * 100_000, {}, "out", id="deeply nested costs"),
        pytest.param("{}", {"engine": 1}, "out", id="a fact that is no text"),
        pytest.param("{}", {"engine": "\ud800"}, "out", id="a fact that is no Unicode"),
        pytest.param("{}", {"engine": "\ud800\nx"}, "out", id="an error of two lines"),
        pytest.param("{}", {}, "out\udcff", id="a path that is no UTF-8"),
    ],
)
def test_a_failing_record_never_fails_the_stage(
    costs: str, facts: dict[str, Any], out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(str(COSTS), costs)
    write_record("embed", [Path(out)], 1.5, {}, facts)
    warning = capsys.readouterr().err
    assert warning.startswith("warning: no record of this run for the report: ")
    assert warning.count("\n") == 1
