"""Checkpoints of stages: fingerprint, lock and journal."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pipeline_clones import CHECKOUT, set_params
from ruamel.yaml import YAML

from tench.core.paths import RESUME_DIR
from tench.run.resume import (
    append_entry,
    has_checkpoint,
    lock_stage,
    read_entries,
    resume_folder,
    stage_fingerprint,
    truncate_journal,
)

STAGE = {
    "cmd": "python -m stages.embed",
    "deps": ["code", "${data.raw}", "weights.h5", "features"],
    "params": ["seed", "backbone.name", "data.max_rejected", {"packages.yaml": ["keras"]}],
}


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    YAML().dump({"stages": {"embed": STAGE, "other": STAGE}}, Path("dvc.yaml"))
    content = {
        "seed": 42,
        "export": 1,
        "backbone": {"name": "a", "cache_at": 2},
        "data": {"max_rejected": 0},
    }
    YAML().dump(content, Path("params.yaml"))
    YAML().dump({"keras": "3.15", "numpy": "2.0"}, Path("packages.yaml"))
    for file in (
        "code/a.py",
        "code/b/c.py",
        "features/pooled/0.npy",
        "features/pooled/manifest.json",
    ):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(file)
    Path("weights.h5").write_text("weights")


@pytest.mark.parametrize(
    "changed",
    [
        lambda: set_params(Path(), {"seed": 43}),
        lambda: set_params(Path(), {"backbone.name": "b"}),
        lambda: Path("packages.yaml").write_text("{keras: '3.16', numpy: '2.0'}"),
        lambda: Path("weights.h5").write_text("others"),
        lambda: Path("code/b/c.py").write_text("other"),
        lambda: Path("code/b/new.py").touch(),
        lambda: Path("code/a.py").rename("code/z.py"),
        lambda: Path("features/pooled/manifest.json").write_text("other"),
    ],
)
def test_what_the_stage_depends_on_changes_the_name(changed: Callable[[], object]) -> None:
    before = stage_fingerprint("embed")
    changed()
    assert stage_fingerprint("embed") != before


@pytest.mark.parametrize(
    "changed",
    [
        lambda: set_params(Path(), {"export": 2}),
        lambda: set_params(Path(), {"data.max_rejected": 0.5}),
        lambda: set_params(Path(), {"backbone.cache_at": 3}),
        lambda: Path("packages.yaml").write_text("{keras: '3.15', numpy: '2.1'}"),
        lambda: Path("new.py").touch(),
        lambda: Path("features/pooled/0.npy").write_text("read with its digest"),
    ],
)
def test_nothing_else_does(changed: Callable[[], object]) -> None:
    before = stage_fingerprint("embed")
    changed()
    assert stage_fingerprint("embed") == before


def test_a_folder_stays_until_the_stage_is_done() -> None:
    with pytest.raises(KeyboardInterrupt), resume_folder("embed") as folder:  # noqa: PT012
        (folder / "a").touch()
        raise KeyboardInterrupt
    with resume_folder("other") as others:
        with resume_folder("embed") as again:
            assert again == folder
            assert (folder / "a").is_file()
        assert list(RESUME_DIR.iterdir()) == [others]


def test_what_another_run_left_is_never_taken_and_goes() -> None:
    with pytest.raises(KeyboardInterrupt), resume_folder("embed") as folder:
        raise KeyboardInterrupt
    set_params(Path(), {"seed": 43})
    with resume_folder("embed") as other:
        assert list(RESUME_DIR.iterdir()) == [other]
        assert other != folder


@pytest.mark.parametrize("changed", [True, False])
def test_only_work_of_equal_parameters_is_resumed(changed: bool) -> None:
    assert not has_checkpoint("embed")
    with pytest.raises(KeyboardInterrupt), resume_folder("embed") as folder:  # noqa: PT012
        (folder / "a").touch()
        raise KeyboardInterrupt
    if changed:
        set_params(Path(), {"seed": 43})
    resumed = has_checkpoint("embed")
    with resume_folder("embed") as again:
        assert resumed == (again / "a").is_file() == (not changed)


def test_one_run_at_a_time_and_the_other_reports_what_it_waits_for() -> None:
    program = (
        "import time; from tench.run.resume import lock_stage\n"
        "with lock_stage('embed'): print('mine', time.time(), flush=True); time.sleep(0.5);"
        "print('done', time.time(), flush=True)"
    )
    both = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    times, said = [], []
    for one in both:
        out, err = one.communicate(timeout=60)
        words = out.split()
        times.append((float(words[1]), float(words[3])))
        said.append(err)
    first, second = sorted(times)
    assert second[0] >= first[1]
    waited = [one for one in zip(said, both, strict=True) if one[0]]
    assert len(waited) <= 1  # none if the first finished before the second started
    for text, one in waited:
        other = next(process for process in both if process is not one)
        for_whom = re.fullmatch("waiting for (.+), which runs embed in this folder\n", text)
        assert for_whom[1] in (f"process {other.pid}", "another process")


def test_after_a_kill_the_next_run_reports_it(capfd: pytest.CaptureFixture[str]) -> None:
    program = (
        "import os; from tench.run.resume import lock_stage\nwith lock_stage('embed'): os.abort()"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    with suppress(ValueError), lock_stage("embed"):
        raise ValueError
    assert "the last run of embed in this folder was killed" in capfd.readouterr().err
    with lock_stage("embed"):
        pass
    assert capfd.readouterr().err == ""


def test_a_journal_is_read_as_it_was_written() -> None:
    journal = Path("journal")
    assert read_entries(journal) == []
    written = [{"n": 1, "name": "\n é 鱼 \ud800 \u2028"}, {"n": 0.1}, {}]
    for entry in written:
        append_entry(entry, journal)
    assert read_entries(journal) == written
    truncate_journal(2, journal)
    assert read_entries(journal) == written[:2]


@pytest.mark.parametrize("place", [0, 5, 20, 24])
def test_a_journal_ends_before_the_first_line_that_is_damaged(place: int) -> None:
    journal = Path("journal")
    for number in range(5):
        append_entry({"n": number}, journal)
    line = len(journal.read_bytes()) // 5
    content = bytearray(journal.read_bytes())
    content[3 * line + place] ^= 1
    journal.write_bytes(content)
    assert [entry["n"] for entry in read_entries(journal)] == [0, 1, 2]
    append_entry({"n": 7}, journal)
    assert [entry["n"] for entry in read_entries(journal)] == [0, 1, 2, 7]


def test_a_journal_may_end_in_half_a_line() -> None:
    journal = Path("journal")
    for number in range(3):
        append_entry({"n": number}, journal)
    journal.write_bytes(journal.read_bytes()[:-1])
    assert [entry["n"] for entry in read_entries(journal)] == [0, 1]
