"""The browser that pages are tested in."""

import os
import shutil

import pytest

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_browser() -> str:
    """The browser's program. Without one the test is skipped, but on CI it fails."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None and os.environ.get("CI"):
        pytest.fail("needs Chromium or Chrome, which CI must have")
    if program is None:
        pytest.skip("needs Chromium or Chrome")
    return program
