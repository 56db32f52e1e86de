"""The report, as a file and in a real browser."""

import os
import re
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from browsers import find_browser
from pipeline_clones import FinishedRun, copy_finished_run, run_command, run_dvc
from playwright.sync_api import Browser, Page

HOSTILE = "<script>alert(1)</script>\"'&"


@pytest.fixture(scope="module")
def index(finished_run: FinishedRun) -> Path:
    return finished_run.folder / "report/index.html"


@pytest.fixture
def watched(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and a list of its console errors, dialogs and requests."""
    page = browser.new_page()
    wrong: list[str] = []
    page.on("console", lambda entry: wrong.append(entry.text) if entry.type != "log" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:")) else wrong.append(request.url)
        ),
    )
    yield page, wrong
    page.close()


def test_without_a_browser_only_a_developer_may_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs Chromium"):
        find_browser()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs Chromium"):
        find_browser()


def test_page_is_one_small_file(index: Path) -> None:
    text = index.read_text(encoding="utf-8")
    assert len(text.encode()) < 6e6
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert "url(http" not in text


def test_what_differs_between_runs_is_in_the_open_copy_alone(
    finished_run: FinishedRun, index: Path
) -> None:
    page = (finished_run.folder / "report/page.html").read_text(encoding="utf-8")
    opened = index.read_text(encoding="utf-8")
    for text in ("peak memory, MB", "git checkout", "Python 3."):
        assert text not in page
        assert text in opened


def test_a_changed_parameter_is_shown(index: Path) -> None:
    text = unescape(index.read_text(encoding="utf-8"))  # written before the change was committed
    assert re.search(r'data\.raw</th><td[^>]*>"data/imagenette"</td><td[^>]*>"data/sample"', text)
    assert re.search(r"<pre>git checkout [0-9a-f]{40}\ndvc repro\n</pre>", text)
    assert "cannot be reproduced" not in text


def test_baseline_of_other_images_is_not_shown(finished_run: FinishedRun, index: Path) -> None:
    assert (finished_run.folder / "metrics/baseline.json").exists()  # committed, of Imagenette
    text = index.read_text(encoding="utf-8")
    assert "Not run on these images" in text
    assert "from scratch" not in text.split("Not run on these images")[1]


def test_every_stage_has_its_cost(index: Path) -> None:
    text = index.read_text(encoding="utf-8")
    for stage in ("prepare", "embed", "audit", "extract-train", "finetune", "evaluate"):
        assert re.search(rf'<th scope="row">{stage}</th><td>[\d.]+</td>', text)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_page_opens_without_errors(
    watched: tuple[Page, list[str]], index: Path, width: int, scheme: str
) -> None:
    page, wrong = watched
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto(index.as_uri())
    page.wait_for_load_state("networkidle")
    assert wrong == []
    images = page.locator("img")
    assert images.count() >= 1
    assert images.evaluate_all("all => all.filter(one => !one.naturalWidth).length") == 0
    assert page.locator("img:not([alt])").count() == 0
    assert page.locator("h1").count() == 1
    assert page.locator("svg[role=img]").count() >= 3
    scrolled = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert scrolled <= 0  # no horizontal scrolling, not even on a phone


def test_tables_sort_by_a_click_and_by_keyboard(
    watched: tuple[Page, list[str]], index: Path
) -> None:
    page, wrong = watched
    page.goto(index.as_uri())
    heading = page.locator("table.sortable th", has_text="F1").locator("button")
    heading.focus()
    page.keyboard.press("Enter")
    column = page.locator("table.sortable").first.locator("tbody td:nth-child(4)")
    values = [float(text) for text in column.all_inner_texts()]
    assert values == sorted(values)
    heading.click()
    values = [float(text) for text in column.all_inner_texts()]
    assert values == sorted(values, reverse=True)
    assert wrong == []


def test_hostile_names_are_text(
    watched: tuple[Page, list[str]], finished_run: FinishedRun, tmp_path: Path
) -> None:
    page, wrong = watched
    clean = (finished_run.folder / "report/page.html").read_text(encoding="utf-8")
    project = copy_finished_run(finished_run.folder, tmp_path / "project")
    for name in ("predictions", "per_class"):
        file = project / f"metrics/{name}.csv"
        quoted = '"' + HOSTILE.replace('"', '""') + '"'
        file.write_text(re.sub(r"(?<![\w/])fish(?![\w/])", quoted, file.read_text()))
    run_dvc(project, "commit", "--force", "evaluate")  # else they are damaged files
    answer = run_command(project, sys.executable, "-m", "stages.report")
    assert answer.returncode == 0, answer.stdout
    hostile = (project / "report/page.html").read_text(encoding="utf-8")
    assert HOSTILE not in hostile
    assert HOSTILE in unescape(hostile)
    assert hostile.count("<script") == clean.count("<script") == 1
    page.goto((project / "report/index.html").as_uri())
    assert wrong == []
