"""Takes screenshots of the explorer for the README and docs/explorer.md, into docs/images/.

    python -m benchmarks.screenshots [--store DIR]

Serves the store's `mnist-vae`, and shows it in headless Chromium: in the light theme, in the dark theme, and on a
phone. The exit code is 2 where the model or the browser is missing.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image

from benchmarks.browser import chromium
from benchmarks.serving import cpus
from benchmarks.serving.children import ROOT
from benchmarks.serving.errors import BenchError
from benchmarks.serving.processes import running
from benchmarks.serving.servers import latent
from model_store import ModelStore
from model_store.errors import StoreError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

IMAGES = ROOT / "docs" / "images"
MODEL = "mnist-vae"


@dataclass(frozen=True)
class Scene:
    """One screenshot: its view of the explorer and its window."""

    name: str
    link: str
    """The fragment that restores the view."""
    filled: str
    """The selector of an element that exists once the view is complete."""
    scheme: Literal["light", "dark"] = "light"
    width: int = 1360
    height: int = 850
    sharp: int = 1
    draw: Sequence[tuple[float, float]] = ()
    """A stroke to draw on the pad before the screenshot, in shares of the pad's sides."""


_THREE = (
    *((0.3, 0.2), (0.5, 0.12), (0.68, 0.22), (0.62, 0.38), (0.45, 0.46)),
    *((0.65, 0.54), (0.7, 0.7), (0.52, 0.84), (0.28, 0.78)),
)
_STRIP = "#sliders .strip[data-updates]"

SCENES = (
    Scene("explorer", "view=code&item=h18", _STRIP),
    Scene("explorer-dark", "view=morph&waypoints=h7;h5;h3&steps=7&manifold=1", "#strips canvas", scheme="dark"),
    Scene("explorer-own", "view=yours", "#gallery canvas", draw=_THREE),
    Scene("explorer-phone", "view=code&item=h18&contours=1", _STRIP, width=390, height=844, sharp=2),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Take every screenshot."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, default=Path("store"), help="where mnist-vae is (make demo trains it)")
    given = parser.parse_args(arguments)
    try:
        ModelStore(given.store).resolve(MODEL)
        with (
            chromium() as browser,
            tempfile.TemporaryDirectory(prefix="latent-screenshots-") as scratch,
            running(latent(given.store.resolve(), model=MODEL), cpus.available(), Path(scratch)) as server,
        ):
            for scene in SCENES:
                path = IMAGES / f"{scene.name}.png"
                path.write_bytes(small(take(browser, server.url, scene)))
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")
    except (BenchError, StoreError) as error:
        print(f"screenshots: {error}", file=sys.stderr)
        return 2
    return 0


def take(browser: Browser, url: str, scene: Scene) -> bytes:
    """Take the screenshot of a scene, as Chromium's PNG."""
    context = browser.new_context(
        viewport={"width": scene.width, "height": scene.height},
        device_scale_factor=scene.sharp,
        color_scheme=scene.scheme,
    )
    page = context.new_page()
    page.goto(f"{url}/#model={MODEL}&{scene.link}")
    page.locator("#now[data-updates]").wait_for()
    page.locator(scene.filled).first.wait_for()
    if scene.draw:
        _draw(page, scene.draw)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(500)  # the manifold follows when the view has come to rest
    picture = page.screenshot()
    context.close()
    return picture


def _draw(page: Page, stroke: Sequence[tuple[float, float]]) -> None:
    pad = page.locator("#pad")
    box = pad.bounding_box()
    if box is None:
        raise BenchError("the page shows no pad to draw on")
    for i, (x, y) in enumerate(stroke):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        if i == 0:
            page.mouse.down()
    page.mouse.up()
    page.locator("#verdict").wait_for()


def small(picture: bytes) -> bytes:
    """Compress a PNG to a third of its bytes: 256 colours, chosen to keep rare ones, such as the colour of a class."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as full:
        palette = full.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)
        palette.save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(main())
