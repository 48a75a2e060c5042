"""Fixtures with a real browser and a real service: trained digits, affine models, a version that cannot be loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.browser import chromium, why_none
from model_store import ModelStore
from tests.explorer.visit import Visit
from tests.service.stores import Publisher
from tests.support.server import ROOT, RunningServer, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MAX_ITEMS = 400
SCREEN = {"width": 1280, "height": 900}
PATIENCE_MS = 60_000

# The browser lives no longer than this package: while Playwright is there, no other event loop can run in its thread.


def _skip_without_a_browser() -> None:
    missing = why_none()
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    _skip_without_a_browser()
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def explorer_store(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """digits@1 and @2, trained; one version of each affine model; image@2, whose network answers wrongly."""
    _skip_without_a_browser()
    store = ModelStore(shutil.copytree(affine_store.path, tmp_path_factory.mktemp("explorer") / "store"))
    trained = subprocess.run(
        [sys.executable, "-m", "tests.explorer.trained", str(store.path)],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    Publisher(store, affine_store, "image").publish_unproven("image")
    return store


@pytest.fixture(scope="session")
def server(explorer_store: ModelStore) -> Iterator[RunningServer]:
    with running_server(explorer_store.path, default_model="digits", engine="openvino", max_items=MAX_ITEMS) as running:
        yield running


@pytest.fixture
def visits(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Opens tabs; fails the test where one of them had an error in its console or asked another host for something."""
    opened: list[Visit] = []
    with ExitStack() as contexts:

        def visit(server: RunningServer, root: str | None = None, **options: object) -> Visit:
            context = browser.new_context(**{"viewport": SCREEN, **options})  # type: ignore[arg-type] # any of its options
            contexts.callback(context.close)
            context.set_default_timeout(PATIENCE_MS)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            opened.append(Visit(context.new_page(), server, root or server.url))
            return opened[-1]

        yield visit
        for each in opened:
            assert each.wrong == []


@pytest.fixture
def visit(visits: Callable[..., Visit], server: RunningServer) -> Visit:
    """A tab before the service, with nothing opened yet."""
    return visits(server)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Writes a file of this name."""

    def written(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written
