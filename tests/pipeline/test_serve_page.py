"""The server's page in a real browser: images in, answers out; keyboard and phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from classifier_server import RunningServer
from pipeline_clones import FinishedRun
from playwright.sync_api import Browser, Page, expect


@pytest.fixture(params=[(1200, 900), (360, 740)], ids=["desk", "phone"])
def page(browser: Browser, server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page on a screen; nothing goes wrong on it, and nothing is asked of other servers."""
    width, height = request.param
    one = browser.new_page(viewport={"width": width, "height": height})
    wrong: list[str] = []
    told = "422"  # the browser's own note of an image that cannot be read
    one.on("console", lambda said: None if told in said.text else wrong.append(said.text))
    one.on("pageerror", lambda error: wrong.append(str(error)))
    ours = (server.address, "data:", "blob:")
    one.on("request", lambda sent: None if sent.url.startswith(ours) else wrong.append(sent.url))
    # From here on the browser hands file choosers over. Asked for at the key's press alone, it may
    # have opened one by itself before: playwright does not wait for its answer.
    one.on("filechooser", lambda chooser: None)
    one.goto(server.address)
    yield one
    one.close()
    assert wrong == []


def images(base: FinishedRun) -> list[Path]:
    folder = base.folder / "data/sample/val"
    return [sorted((folder / name).iterdir())[0] for name in ("n01440764", "n02102040")]


def test_images_are_predicted(finished_run: FinishedRun, page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken <b>.jpg"
    broken.write_bytes(b"no image")
    page.set_input_files("#files", [*images(finished_run), broken])
    answers = page.locator("article")
    expect(answers).to_have_count(3)
    expect(page.locator("#status")).to_have_text("3 looked at.")
    expect(answers.nth(2).locator("h2")).to_contain_text("fish, ")
    expect(answers.nth(1).locator("h2")).to_contain_text("dog, ")
    expect(answers.nth(0).locator("h2")).to_have_text("Not readable")
    expect(answers.nth(0).locator(".doubt")).to_contain_text("not an image in any of")
    expect(answers.nth(0).locator("figcaption").first).to_have_text(broken.name)
    fish = answers.nth(2)
    expect(fish.locator(".likely li")).to_have_count(5)
    expect(fish.locator(".near img")).to_have_count(4)
    for image in (".seen img", ".explained img", ".near img"):
        loaded = "one => one.complete && one.naturalWidth"
        assert fish.locator(image).first.evaluate(loaded) > 0
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wide <= 0


def test_the_keyboard_is_enough(finished_run: FinishedRun, page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    outline = "getComputedStyle(document.activeElement.parentElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    with page.expect_file_chooser() as chosen:
        page.keyboard.press("Space")
    chosen.value.set_files(images(finished_run)[0])
    expect(page.locator("article h2")).to_contain_text("fish, ")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "camera"
    assert page.get_attribute("#camera", "capture") == "environment"


def test_an_image_can_be_dropped(finished_run: FinishedRun, page: Page) -> None:
    content = list(images(finished_run)[0].read_bytes())
    page.evaluate(
        """content => {
            const data = new DataTransfer();
            data.items.add(new File([new Uint8Array(content)], "a.jpg", {type: "image/jpeg"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        content,
    )
    expect(page.locator("article h2")).to_contain_text("fish, ")


def test_the_documentation_needs_no_other_server(page: Page) -> None:
    page.goto(page.url + "docs")
    expect(page.locator(".opblock")).to_have_count(4)
