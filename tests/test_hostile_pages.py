"""Names in pages, with a real browser as the witness: shown as text, in order, and nothing runs."""

from html import unescape
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page
from small_pictures import packed

from tench.core import paths
from tench.core.files import read_csv, write_csv
from tench.core.names import TURNING
from tench.core.packs import read_packed, write_pack
from tench.core.params import load_params
from tench.exporting.card import plain, templates
from tench.reporting.publish import PLACE, publish, render
from tench.reporting.report import contents

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
def hostile(made: Path) -> Path:
    """A project whose classes and files have such names, the current folder."""
    for file in (paths.PREDICTIONS, paths.PER_CLASS, paths.LABEL_SUSPECTS):
        first, *_ = read_csv(file)
        rows = []
        for name, picture in zip(NAMES, FILES, strict=True):
            row = dict(first)
            row |= dict.fromkeys(("label", "prediction", "class_name", "suggestion"), name)
            row |= {"path": f"test/{picture}.zip/a.webp", "source": picture}
            rows.append([row[key] for key in first])
        write_csv(first, rows, file)
    picture = read_packed(paths.PREPARED / "test/fish.zip/a.webp")
    named = [*packed(), *(f"test/{name}.zip/a.webp" for name in FILES)]
    write_pack([(path, picture) for path in named], paths.FOUND)
    return made


def shown(browser: Browser, file: Path) -> tuple[Page, list[str]]:
    """A page, and what happened on it that may not."""
    page, wrong = browser.new_page(), []
    page.on("console", lambda said: wrong.append(said.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(("file:", "data:")) else wrong.append(sent.url),
    )
    page.goto(file.as_uri())
    page.mouse.move(300, 300)
    return page, wrong


# Where characters number `first` and `second` of an element's text are drawn, in pixels.
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
    html = render(contents(load_params()))
    assert html.count("<script") == 1
    for name in NAMES:
        assert name not in html.replace(PLACE, "", 1) or name.isalpha() or ":" in name
    assert not set(html) & TURNING
    file = hostile / "page.html"
    file.write_text(html, encoding="utf-8")
    page, wrong = shown(browser, file)
    told = page.locator("figcaption", has_text="labelled")
    assert told.count() == len(NAMES)
    for place, (name, picture) in enumerate(zip(NAMES, FILES, strict=True)):
        text = told.nth(place).evaluate("one => one.textContent")
        seen = name.replace(OVERRIDE, "\\u202e").replace(CLOSE, "\\u2069")
        assert f"labelled {seen} (1.0 %), looks like {seen} (98.0 %)" in text
        assert picture.replace(OVERRIDE, "\\u202e").replace(CLOSE, "\\u2069") in text
        ends = [text.index(" (1.0") - len(seen), text.index("(1.0"), text.index("0 %), looks")]
        (row, begin), (next_row, end) = told.nth(place).evaluate(PLACES, [ends[1], ends[2]])
        assert (next_row, end > begin) == (row, True)  # "(1.0 %)" is not turned round
        (row, begin), (next_row, end) = told.nth(place).evaluate(PLACES, [ends[0], ends[1]])
        assert next_row > row or end > begin  # and follows the name
    assert page.locator("th", has_text=NAMES[0]).count()
    assert wrong == []


def test_what_stands_in_place_of_the_run_is_the_page_s_own(hostile: Path) -> None:
    html = render(contents(load_params()))
    assert html.count(PLACE) == 1
    assert PLACE in unescape(html.replace(PLACE, "", 1))
    paths.PAGE.write_text(html, encoding="utf-8")
    publish(ended=False)
    assert paths.OPEN_PAGE.read_text(encoding="utf-8").count("Where it comes from") == 1


def test_the_model_card_shows_names_as_text() -> None:
    card = templates().from_string("{% for one in names %}{{ one | plain }}\n{% endfor %}")
    more = ["[a](javascript:alert(1))", "a|b", "# c", "`x`"]
    lines = card.render(names=[*NAMES, *more]).splitlines()
    assert len(lines) == len(NAMES) + len(more)
    for line in lines:
        assert "<" not in line
        assert not set(line) & TURNING
    assert plain("[a](b)|`c`\n# d") == "\\[a\\](b)\\|\\`c\\` \\# d"
