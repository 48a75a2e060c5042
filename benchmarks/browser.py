"""Starts the installed Chromium by Playwright, for the explorer's tests, benchmark and screenshots."""

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
"""Environment variable with the browser's path, where the browser is not on the PATH."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def why_none() -> str | None:
    """The reason why no browser can be started, in words; None where one can."""
    if find_spec("playwright") is None:
        return "the explorer needs the package playwright: pip install '.[dev]'"
    if _executable() is None:
        return f"the explorer needs Chromium (apt-get install chromium), on the PATH or named by {VARIABLE}"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start a headless browser, without downloads. Raises BenchError where none is installed."""
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
    """The path of the installed browser, or None."""
    return next(filter(None, map(shutil.which, filter(None, (os.environ.get(VARIABLE), *NAMES)))), None)
