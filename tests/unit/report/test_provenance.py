"""The runs in the report, with handmade lock files and run records."""

import json
import shutil
from pathlib import Path

import pytest
from report_project import (
    PACKAGE_VERSIONS,
    read_locked_stages,
    table_texts,
    write_pipeline_lock,
    write_run_record,
    write_stage_lock,
)

from tench.core import paths
from tench.core.errors import TenchError
from tench.core.files import write_json, write_text
from tench.report.page.publish import baseline_is_comparable, publish
from tench.report.page.run_costs import cost_section, find_run_records
from tench.run import record as recording
from tench.run.dvc_files import read_lock_files
from tench.run.record import write_record


def test_run_record_matches_current_outputs_only(report_project: Path) -> None:
    write_run_record("finetune", seconds=60.0)
    assert find_run_records(read_locked_stages())["finetune"].seconds == 60
    write_text("other weights", paths.CLASSIFIER)
    write_pipeline_lock()  # an experiment applied, or another commit checked out
    assert find_run_records(read_locked_stages()) == {}
    write_run_record("finetune", seconds=70.0)
    assert find_run_records(read_locked_stages())["finetune"].seconds == 70
    write_text("weights", paths.CLASSIFIER)
    write_pipeline_lock()
    assert find_run_records(read_locked_stages())["finetune"].seconds == 60


def test_machine_is_that_of_the_run_not_of_publishing(
    report_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "processor_name", lambda: "Quick 1")
    write_record("finetune", [paths.CLASSIFIER], 12.5, PACKAGE_VERSIONS, {"engine": "litert"})
    monkeypatch.setattr(recording, "processor_name", lambda: "Slow 2")  # of whoever publishes
    (run,) = find_run_records(read_locked_stages()).values()
    assert (run.seconds, run.packages, run.facts) == (12.5, PACKAGE_VERSIONS, {"engine": "litert"})
    assert run.processor.startswith("Quick 1")


def test_unwritable_record_is_a_warning(
    report_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(paths.REPORT)
    paths.REPORT.write_text("a file where the folder should be")
    write_record("finetune", [paths.CLASSIFIER], 1, {}, {})
    assert capsys.readouterr().err.startswith("warning: no record of this run")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b'{"stage": "finetune"}',
        b'{"stage": "finetune", "outs": {}}',
        b'{"outs": 3, "seconds": "x"}',
    ],
)
def test_malformed_record_is_ignored(report_project: Path, content: bytes) -> None:
    good = write_run_record("finetune")
    (paths.RUN_RECORDS / "finetune-0.json").write_bytes(content)
    (paths.RUN_RECORDS / "finetune-1.json").mkdir()
    whole = json.loads(good.read_text(encoding="utf-8"))
    for number, changes in enumerate(({"outs": {}}, {"seconds": None}, {"stage": "raw"}), 2):
        write_json(whole | changes, paths.RUN_RECORDS / f"finetune-{number}.json")
    assert find_run_records(read_locked_stages())["finetune"].seconds == 61.25
    publish(ended=True)
    good.unlink()
    assert find_run_records(read_locked_stages()) == {}
    publish(ended=True)


def test_shared_environment_is_listed_once(report_project: Path) -> None:
    write_run_record("prepare")
    write_run_record("finetune", ended="2026-01-02 04:00:00")
    shown = cost_section(read_locked_stages(), find_run_records(read_locked_stages()))
    assert shown["stages"]["header"] == [
        *("stage", "seconds", "peak memory, MB", "ended (UTC)", "commit")
    ]
    rows = table_texts(shown["stages"])
    assert rows[0] == ["prepare", "61.2", "1234", "2026-01-02 03:04:05", "01234567"]
    assert table_texts(shown["environments"]) == [
        ["machine", "Linux x86_64, Quick 1, avx2, 2 cores used"],
        ["packages", "Python 3.11.2, keras 3.13.0, numpy 2.4.0"],
    ]
    assert shown["missing"] == ["raw", "report", "split"]
    assert not shown["changed"]


def test_different_environments_are_numbered(report_project: Path) -> None:
    write_run_record("raw", ended="2026-01-02 01:00:00")
    write_run_record("prepare", cores=8, ended="2026-01-02 02:00:00")
    others = {"keras": "3.12.0", "scipy": "1.17.0"}
    write_run_record(
        "finetune", packages=others, facts={"engine": "litert"}, changed=["tench/code.py"]
    )
    shown = cost_section(read_locked_stages(), find_run_records(read_locked_stages()))
    assert shown["stages"]["header"][5:] == ["machine", "packages", "engine"]
    assert [row[4:] for row in table_texts(shown["stages"])] == [
        ["01234567", "1", "1", ""],
        ["01234567", "2", "1", ""],
        ["01234567 +", "1", "2", "litert"],
    ]
    assert table_texts(shown["environments"]) == [
        ["machine\N{NO-BREAK SPACE}1", "Linux x86_64, Quick 1, avx2, 2 cores used"],
        ["machine\N{NO-BREAK SPACE}2", "Linux x86_64, Quick 1, avx2, 8 cores used"],
        ["packages\N{NO-BREAK SPACE}1", "Python 3.11.2, keras 3.13.0, numpy 2.4.0"],
        [
            "packages\N{NO-BREAK SPACE}2",
            "same as 1, except keras 3.12.0, numpy not installed, scipy 1.17.0",
        ],
    ]
    assert shown["changed"]


def test_stages_without_a_record_are_listed(report_project: Path) -> None:
    write_run_record("prepare")
    publish(ended=True)
    text = paths.REPORT_INDEX.read_text(encoding="utf-8")
    assert "from DVC's cache or another folder: raw, finetune, report, split." in text


def test_unfinished_report_stage_has_no_cost(report_project: Path) -> None:
    write_run_record("report")
    publish(ended=False)
    assert '<th scope="row">report</th>' not in paths.REPORT_INDEX.read_text(encoding="utf-8")
    publish(ended=True)
    assert '<th scope="row">report</th>' in paths.REPORT_INDEX.read_text(encoding="utf-8")


def test_page_that_does_not_match_the_lock_is_refused(report_project: Path) -> None:
    write_text("another <!-- run -->", paths.REPORT_PAGE)
    with pytest.raises(TenchError, match=r"does not match dvc.lock"):
        publish(ended=True)
    publish(ended=False)  # the stage has just written it


def test_source_stages_are_those_of_the_raw_data_in_use(report_project: Path) -> None:
    for name in ("imagenette", "sample"):
        write_text(name, paths.DATA / name / "a.jpg")
        write_stage_lock(name, outs=[paths.DATA / name], pipeline=1)
    write_pipeline_lock(**{"data.raw": "data/sample"})
    assert set(read_locked_stages()) == {"raw", "sample", "prepare", "split", "finetune", "report"}


def test_malformed_lock_file_is_one_error(report_project: Path) -> None:
    write_text("<<<<<<< HEAD\nstages: {", Path("dvc.lock"))
    with pytest.raises(TenchError, match=r"^dvc.lock: not readable as YAML"):
        publish(ended=True)


def test_baseline_needs_the_current_images_and_scores(report_project: Path) -> None:
    assert not baseline_is_comparable({})
    write_text("{}", paths.BASELINE_SCORES)
    write_stage_lock("baseline", [paths.INDEX], [paths.BASELINE_SCORES], pipeline=2)
    baseline = read_lock_files()[1]
    assert baseline_is_comparable(baseline)
    write_text('{"loss": 0}', paths.BASELINE_SCORES)  # of another run than is locked
    assert not baseline_is_comparable(baseline)
    paths.BASELINE_SCORES.unlink()
    assert not baseline_is_comparable(baseline)
    write_text("{}", paths.BASELINE_SCORES)
    write_text("path\nother\n", paths.INDEX)
    assert not baseline_is_comparable(baseline)
