"""The comparison as a table, CSV, Markdown and a page."""

import csv
import io
import sys
from pathlib import Path

import pytest
from experiment_repos import make_experiment, make_repository, write_run_results
from pipeline_clones import commit_all
from playwright.sync_api import Browser

from tench.report.compare.__main__ import main
from tench.report.compare.command import compare_revisions
from tench.report.compare.html_page import MAX_LABELED_GROUPS, pareto_labels, render_comparison
from tench.report.compare.text_tables import to_csv, to_markdown, to_text

RATE = "finetune.learning_rate"
EVIL = "<script>alert(1)</script>|*a*"


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with groups of seeds, costs, and names that look like markup or formulas."""
    folder = tmp_path_factory.mktemp("compared")
    make_repository(folder)
    write_run_results(folder, costs={"finetune": 9})
    commit_all(folder)
    for seed, val, seconds in ((1, 0.92, 30), (2, 0.94, 40)):
        changes = {"seed": seed, RATE: 1e-3, "data.raw": EVIL}
        make_experiment(folder, f"slow-{seed}", val=val, costs={"finetune": seconds}, **changes)
    make_experiment(folder, "=1+1", right="1" * 12, costs={"finetune": 5}, **{RATE: 1e-5})
    make_experiment(folder, "<i>free</i>", **{RATE: 1e-6})
    return folder


@pytest.fixture(autouse=True)
def _there(_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_made)


def test_the_table_is_aligned_and_narrow() -> None:
    lines = to_text(compare_revisions(["=1+1", "<i>free</i>"], False, None)).splitlines()
    assert max(map(len, lines)) <= 100
    rule = lines[2]
    assert set(rule) == {"-", " "}
    gaps = [index for index, mark in enumerate(rule) if mark == " "]
    assert len(gaps) == 2 * 8
    assert [line.split()[0] for line in lines[3:6]] == ["HEAD", "=1+1", "<i>free</i>"]
    assert {line[index] for line in lines[3:6] for index in gaps} == {" "}
    shown = to_text(compare_revisions([], False, None))
    assert "0.9300±0.0141" in shown
    assert "35.0 (1)" in shown
    assert "no seed in common" in shown
    assert "p (Holm) is corrected for 2 comparisons." in shown


def test_markdown_escapes_names() -> None:
    shown = to_markdown(compare_revisions([], False, None))
    assert r"\<i\>free\</i\>" in shown
    assert r"\<script\>alert(1)" in shown
    assert "| name " in shown
    assert "| finetune.learning_rate |" in shown.replace("\\", "")
    assert "- 5 runs in 4 groups, compared with HEAD" in shown


def test_csv_has_every_figure_in_full_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(compare_revisions([], False, None)))))
    found = {row["name"]: row for row in rows}
    assert list(found) == ["slow-1 +1", "HEAD", "<i>free</i>", "'=1+1"]
    slow = found["slow-1 +1"]
    assert float(slow["validation_accuracy_deviation"]) == pytest.approx(0.02 / 2**0.5)
    assert (slow["seeds"], slow["seconds"], slow["stages"]) == ("2", "35.0", "1")
    assert slow["data.raw"] == EVIL
    assert slow["verdict"] == "not compared"
    assert found["'=1+1"]["p_value"] == "0.5"
    assert found["'=1+1"]["only_it_right"] == "2"
    assert found["HEAD"]["p_value"] == ""
    assert len(found["HEAD"]["commits"]) == 40


def test_the_command_prints_one_format_and_writes_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "folder/page.html"
    monkeypatch.setattr(sys, "argv", ["compare", "--format", "csv", "--page", str(page)])
    main()
    output = capsys.readouterr()
    assert len(list(csv.reader(io.StringIO(output.out)))) == 5
    assert "- slow-1 +1: slow-1 (seed 1), slow-2 (seed 2)." in output.err
    assert page.as_uri() in output.err
    monkeypatch.setattr(sys, "argv", ["compare", "--page", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: cannot be written")


def test_page_is_self_contained_and_escaped(browser: Browser, tmp_path: Path) -> None:
    html = render_comparison(compare_revisions([], False, None))
    assert "<i>free" not in html
    file = tmp_path / "page.html"
    file.write_text(html, encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 640})
    requests, wrong = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.goto(file.as_uri())
    assert requests == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    names = page.locator("#scores tbody th").all_inner_texts()
    assert names == ["1. slow-1 +1", "2. HEAD", "3. <i>free</i>", "4. =1+1"]
    page.locator("#scores thead button", has_text="test accuracy").click()
    page.locator("#scores thead button", has_text="test accuracy").click()
    assert page.locator("#scores tbody th").first.inner_text() == "4. =1+1"
    numbers = page.locator("#scores figure svg text").all_text_contents()
    assert [numbers.count(one) for one in ("1", "2", "4")] == [2, 2, 2]  # validation and test
    assert "3" not in numbers
    assert "Pareto front" not in page.locator("figcaption").inner_text()
    assert "because their cost is unknown: <i>free</i>" in page.locator("figcaption").inner_text()
    assert "not compared" in page.locator("#against").inner_text()
    assert "no seed in common" in page.locator("#notes").inner_text()
    assert wrong == []
    page.close()


def test_page_without_costs_has_no_chart() -> None:
    html = render_comparison(compare_revisions(["<i>free</i>"], False, "<i>free</i>"))
    assert "the cost of the runs is unknown" in html
    assert "<svg" not in html
    assert "There is no other group to compare." in html


def test_many_groups_are_labeled_on_the_pareto_front_only() -> None:
    dominated = [(n, 100.0 + n, 0.9) for n in range(1, MAX_LABELED_GROUPS)]
    best = [(20, 10.0, 0.8), (21, 50.0, 0.95), (22, 300.0, 0.96)]
    assert pareto_labels(dominated + best) == {20, 21, 22}
    assert pareto_labels([*best, (23, 300.0, 0.1)]) == {20, 21, 22, 23}
