"""Hostile names in pages, in a real browser: shown as text, in order, and never executed."""

from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from small_images import list_prepared_paths

from tench.core import paths
from tench.core.files import read_csv, write_csv
from tench.core.names import BIDI_CONTROLS
from tench.core.params import load_params
from tench.core.zip_packs import read_from_pack, write_pack
from tench.export.card import card_templates, escape_markdown
from tench.report.page.contents import report_contents
from tench.report.page.publish import RUN_PLACEHOLDER, publish, render_page

OVERRIDE, CLOSE = "\u202e", "\u2069"
NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% raw %}</style>",
    f"{CLOSE}{OVERRIDE}gpj.exe",
    "\u0643\u0644\u0628",  # dog in Arabic, which needs no mark to be written from right to left
    "<!-- run -->",
)
FILES = [name.replace("/", "\u2215") for name in NAMES]


@pytest.fixture
def hostile(report_project: Path) -> Path:
    """A project with these class and file names as the current folder."""
    for file in (paths.PREDICTIONS, paths.PER_CLASS, paths.LABEL_SUSPECTS):
        first, *_ = read_csv(file)
        rows = []
        for name, image in zip(NAMES, FILES, strict=True):
            row = dict(first)
            row |= dict.fromkeys(("label", "prediction", "class_name", "suggestion"), name)
            row |= {"path": f"test/{image}.zip/a.webp", "source": image}
            rows.append([row[key] for key in first])
        write_csv(first, rows, file)
    image = read_from_pack(paths.PREPARED / "test/fish.zip/a.webp")
    named = [*list_prepared_paths(), *(f"test/{name}.zip/a.webp" for name in FILES)]
    write_pack([(path, image) for path in named], paths.AUDIT_IMAGES)
    return report_project


def shown(browser: Browser, file: Path) -> tuple[Page, list[str]]:
    """Open a page; return it with console messages, errors, dialogs and requests."""
    page, wrong = browser.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(("file:", "data:")) else wrong.append(sent.url),
    )
    page.goto(file.as_uri())
    page.mouse.move(300, 300)
    return page, wrong


# Positions in pixels of the characters `first` and `second` of an element's text.
PLACES = """(element, [first, second]) => [first, second].map((wanted) => {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let left = wanted;
  for (let node = walker.nextNode(); node; left -= node.length, node = walker.nextNode()) {
    if (left >= node.length) continue;
    const range = document.createRange();
    range.setStart(node, left);
    range.setEnd(node, left + 1);
    const box = range.getBoundingClientRect();
    return [Math.round(box.top), box.left];
  }
})"""


def test_the_report_shows_names_as_text_in_their_order(hostile: Path, browser: Browser) -> None:
    html = render_page(report_contents(load_params()))
    assert html.count("<script") == 1
    for name in NAMES:
        assert name not in html.replace(RUN_PLACEHOLDER, "", 1) or name.isalpha() or ":" in name
    assert not set(html) & BIDI_CONTROLS
    file = hostile / "page.html"
    file.write_text(html, encoding="utf-8")
    page, wrong = shown(browser, file)
    captions = page.locator("figcaption", has_text="labeled")
    assert captions.count() == len(NAMES)
    for index, (name, image) in enumerate(zip(NAMES, FILES, strict=True)):
        text = captions.nth(index).evaluate("one => one.textContent")
        seen = name.replace(OVERRIDE, "\\u202e").replace(CLOSE, "\\u2069")
        assert f"labeled {seen} (1.0%), looks like {seen} (98.0%)" in text
        assert image.replace(OVERRIDE, "\\u202e").replace(CLOSE, "\\u2069") in text
        ends = [text.index(" (1.0") - len(seen), text.index("(1.0"), text.index("0%), looks")]
        (row, begin), (next_row, end) = captions.nth(index).evaluate(PLACES, [ends[1], ends[2]])
        assert (next_row, end > begin) == (row, True)  # "(1.0%)" is not reordered
        (row, begin), (next_row, end) = captions.nth(index).evaluate(PLACES, [ends[0], ends[1]])
        assert next_row > row or end > begin  # and follows the name
    assert page.locator("th", has_text=NAMES[0]).count()
    assert wrong == []


def test_only_the_pages_own_placeholder_is_replaced(hostile: Path) -> None:
    html = render_page(report_contents(load_params()))
    assert html.count(RUN_PLACEHOLDER) == 1
    assert RUN_PLACEHOLDER in unescape(html.replace(RUN_PLACEHOLDER, "", 1))
    paths.REPORT_PAGE.write_text(html, encoding="utf-8")
    publish(ended=False)
    assert paths.REPORT_INDEX.read_text(encoding="utf-8").count("Provenance</h3>") == 1


def test_the_model_card_shows_names_as_text() -> None:
    card = card_templates().from_string("{% for one in names %}{{ one | plain }}\n{% endfor %}")
    more = ["[a](javascript:alert(1))", "a|b", "# c", "`x`"]
    lines = card.render(names=[*NAMES, *more]).splitlines()
    assert len(lines) == len(NAMES) + len(more)
    for line in lines:
        assert "<" not in line
        assert not set(line) & BIDI_CONTROLS
    assert escape_markdown("[a](b)|`c`\n# d") == "\\[a\\](b)\\|\\`c\\` \\# d"
