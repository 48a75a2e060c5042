"""Measures the explorer in headless Chromium: drags its point over the map of the default model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.browser import chromium
from benchmarks.serving.bench import Bench
from benchmarks.serving.errors import BenchError
from benchmarks.serving.figures import spread
from benchmarks.serving.models import CONVOLUTIONAL
from benchmarks.serving.results import Outcome, Table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCREEN = {"width": 1360, "height": 850}
TURN_S = 2.0
"""Seconds in which the point is dragged once around the middle of the map."""

_WATCH = """
new MutationObserver((_, watching) => {
    if (document.getElementById("now")?.dataset.updates) {
        window.firstPictureMs = performance.now();
        watching.disconnect();
    }
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-updates"] });
"""
_MOVE = """
([x, y, radius, seconds, turn]) => new Promise((done) => {
    const map = document.getElementById("map");
    const began = performance.now();
    const move = () => {
        const passed = (performance.now() - began) / 1000;
        if (passed >= seconds) return done();
        const angle = (2 * Math.PI * passed) / turn;
        const at = { clientX: x + radius * Math.cos(angle), clientY: y + radius * Math.sin(angle) };
        map.dispatchEvent(new PointerEvent("pointermove", { pointerId: 1, bubbles: true, ...at }));
        requestAnimationFrame(move);
    };
    requestAnimationFrame(move);
})
"""
_COUNT = "[Number(document.getElementById('now').dataset.updates), performance.now()]"


def measure(bench: Bench) -> Outcome:
    """Measure with server and browser on different CPUs and an empty cache in every round. Raises BenchError without
    a browser."""
    rounds, seconds = (1, 2.0) if bench.quick else (5, 3.0)
    first_s: list[float] = []
    updates: list[float] = []
    with chromium() as browser, bench.serve_latent(CONVOLUTIONAL) as server:
        _visit(browser, server.url, 0.2)
        for turn in range(rounds):
            bench.tell(f"explorer: round {turn + 1} of {rounds}")
            to_first_s, per_second = _visit(browser, server.url, seconds)
            first_s.append(to_first_s)
            updates.append(per_second)
    row = [CONVOLUTIONAL, str(spread(updates)), str(spread(first_s))]
    headings = ["", "pictures a second while dragged", "first picture, s"]
    note = (
        "A picture counts when it is drawn; pointers report at most once a frame, 60 times a second. The first picture "
        "is counted from the start of the navigation, by the browser's own clock, with an empty cache."
    )
    return Outcome(
        tables=[Table(title="Explorer", headings=headings, rows=[row])],
        figures={"explorer/updates_per_s": updates, "explorer/first_picture_s": first_s},
        notes=[note],
    )


def _visit(browser: Browser, url: str, seconds: float) -> tuple[float, float]:
    """Seconds to the first picture of a new visit, and pictures a second while the point is dragged."""
    context = browser.new_context(viewport={"width": SCREEN["width"], "height": SCREEN["height"]})
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(url)
    page.locator("#sliders .strip[data-updates]").first.wait_for()
    first_ms: float = page.evaluate("window.firstPictureMs")
    per_second = _drag(page, seconds)
    context.close()
    return first_ms / 1000, per_second


def _drag(page: Page, seconds: float) -> float:
    """Drag the point around the middle of the map, one move in each frame; return pictures a second.

    The moves are made by a script in the page: moves from outside reach the browser only every second frame.
    """
    canvas = page.locator("#map").bounding_box()
    if canvas is None:
        raise BenchError("the page shows no map")
    x, y = canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2
    radius = 0.3 * min(canvas["width"], canvas["height"])
    page.mouse.move(x + radius, y)
    page.mouse.down()
    drawn, began_ms = page.evaluate(_COUNT)
    page.evaluate(_MOVE, [x, y, radius, seconds, TURN_S])
    drawn_then, ended_ms = page.evaluate(_COUNT)
    page.mouse.up()
    return float(1000 * (drawn_then - drawn) / (ended_ms - began_ms))
