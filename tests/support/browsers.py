"""Find a browser for the tests of HTML pages."""

import os
import shutil

import pytest

BROWSERS = (
    *("chromium", "chromium-browser", "google-chrome", "chrome"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)


def find_browser() -> str:
    """Return the path of a browser. Without one, skip the test, or fail it where CI is set."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None and os.environ.get("CI"):
        pytest.fail("needs Chromium or Chrome, which CI must have")
    if program is None:
        pytest.skip("needs Chromium or Chrome")
    return program
