"""The server's page in a real browser: images in, predictions out; keyboard and phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from classifier_server import RunningServer
from pipeline_clones import FinishedRun
from playwright.sync_api import Browser, Page, expect


@pytest.fixture(params=[(1200, 900), (360, 740)], ids=["desk", "phone"])
def page(browser: Browser, server: RunningServer, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page on a screen. Fails on script errors and on requests to other servers."""
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    errors: list[str] = []
    expected = "422"  # the browser logs the status of an unreadable image
    page.on("console", lambda log: None if expected in log.text else errors.append(log.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    own = (server.address, "data:", "blob:")
    page.on("request", lambda sent: None if sent.url.startswith(own) else errors.append(sent.url))
    # With a listener from the start, the browser never opens a file chooser of its own: playwright
    # does not wait for the browser to confirm a listener that is added later.
    page.on("filechooser", lambda chooser: None)
    page.goto(server.address)
    yield page
    page.close()
    assert errors == []


def images(base: FinishedRun) -> list[Path]:
    folder = base.folder / "data/sample/val"
    return [sorted((folder / name).iterdir())[0] for name in ("n01440764", "n02102040")]


def test_images_are_predicted(finished_run: FinishedRun, page: Page, tmp_path: Path) -> None:
    broken = tmp_path / "broken <b>.jpg"
    broken.write_bytes(b"no image")
    page.set_input_files("#files", [*images(finished_run), broken])
    predictions = page.locator("article")
    expect(predictions).to_have_count(3)
    expect(page.locator("#status")).to_have_text("3 images done.")
    expect(predictions.nth(2).locator("h2")).to_contain_text("fish, ")
    expect(predictions.nth(1).locator("h2")).to_contain_text("dog, ")
    expect(predictions.nth(0).locator("h2")).to_have_text("Unreadable image")
    expect(predictions.nth(0).locator(".warning")).to_contain_text("not an image in any of")
    expect(predictions.nth(0).locator("figcaption").first).to_have_text(broken.name)
    fish = predictions.nth(2)
    expect(fish.locator(".classes li")).to_have_count(5)
    expect(fish.locator(".nearest img")).to_have_count(4)
    for image in (".upload img", ".explanation img", ".nearest img"):
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
