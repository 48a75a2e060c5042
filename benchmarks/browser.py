"""The Chromium that is installed here, driven by Playwright: for the explorer's tests, figures and pictures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from benchmarks.serving.errors import BenchError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "CHROMIUM"
"""Environment variable that names the browser where it is not on the PATH."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def why_none() -> str | None:
    """What is missing to drive a browser, in words; None where nothing is."""
    if find_spec("playwright") is None:
        return "the explorer needs the package playwright: pip install '.[dev]'"
    if _executable() is None:
        return f"the explorer needs Chromium (apt-get install chromium), on the PATH or named by {VARIABLE}"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser of its own; nothing is downloaded. Raises BenchError where there is none."""
    missing = why_none()
    if missing:
        raise BenchError(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_executable())
        try:
            yield browser
        finally:
            browser.close()


def _executable() -> str | None:
    """Where the browser is."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get(VARIABLE), *NAMES)))), None)
