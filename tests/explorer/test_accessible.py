"""Accessibility of the explorer: axe-core on every tab, in both themes; no layout shifts; phone width; touch."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import pytest

from tests.explorer.visit import VIEWS, Visit
from tests.support.server import RunningServer

PHONE = {"width": 390, "height": 844}


def serious(visit: Visit) -> list[tuple[str, list[str]]]:
    """What axe-core finds that keeps people out: rules, and where they are broken."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    visit.page.evaluate(f"if (!window.axe) {{ {axe} }}")
    found = visit.page.evaluate("axe.run({ resultTypes: ['violations'] })")
    assert len(found["passes"]) > 15
    return [
        (each["id"], [str(node["target"]) for node in each["nodes"]])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(visits: Callable[..., Visit], server: RunningServer, scheme: str) -> None:
    visit = visits(server, color_scheme=scheme)
    visit.open(model="digits", item="h3", waypoints="h1;h2", n=4)
    for view in VIEWS:
        visit.choose_view(view)
        if view == "yours":
            visit.press("pad-use")
            assert visit.text("yours-error") == "Nothing is drawn yet.", "errors have to be readable too"
        assert (view, serious(visit)) == (view, [])


def test_axe_finds_nothing_serious_in_plots_and_classes(visit: Visit) -> None:
    for model, view in (("vector", "yours"), ("conditional", "code")):
        visit.open(model=model, view=view)
        assert (model, serious(visit)) == (model, [])


def test_nothing_is_wider_than_a_phone(visits: Callable[..., Visit], server: RunningServer) -> None:
    visit = visits(server, viewport=PHONE, has_touch=True, is_mobile=True)
    visit.open(model="digits", item="h3", waypoints="h1;h2;h3;h4;h5")
    for view in VIEWS:
        visit.choose_view(view)
        assert (view, visit.page.evaluate("document.documentElement.scrollWidth")) == (view, 390)
    width, height = visit.map_size
    assert 300 < width < 390
    assert height <= 390, "the panel is not far below"


@pytest.mark.parametrize("screen", [{"width": 1280, "height": 900}, PHONE])
def test_nothing_jumps_while_the_page_fills(
    visits: Callable[..., Visit], server: RunningServer, screen: dict[str, int]
) -> None:
    """Chromium's own score of what moves without anybody having asked for it: share of the screen times distance."""
    visit = visits(server, viewport=screen)
    visit.page.add_init_script(
        """window.moved = 0;
        new PerformanceObserver((list) => list.getEntries().forEach(({ value }) => { window.moved += value; }))
            .observe({ type: "layout-shift", buffered: true });"""
    )
    visit.open(model="digits")
    visit.page.locator("#sliders .strip[data-updates]").first.wait_for()
    visit.next_frame()
    assert visit.page.evaluate("window.moved") < 0.02


def test_fingers_drag_and_pinch(visits: Callable[..., Visit], server: RunningServer) -> None:
    visit = visits(server, viewport=PHONE, has_touch=True, is_mobile=True)
    visit.open(model="image", z="0,0", at="0,0,6")
    box = visit.by_id("map").bounding_box()
    assert box is not None
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    devtools = visit.page.context.new_cdp_session(visit.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": middle[0] + x, "y": middle[1] + y, "id": i} for i, (x, y) in enumerate(places)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", (0, 0))
    touch("touchMove", (20, -20))
    touch("touchMove", (60, -40))
    touch("touchEnd")
    visit.until_still()
    scale = visit.map_scale("0,0,6")
    assert visit.z == pytest.approx([60 / scale, 40 / scale], abs=1.5 / scale)

    before = visit.z
    touch("touchStart", (-20, 0), (20, 0))
    touch("touchMove", (-40, 0), (40, 0))
    touch("touchMove", (-60, 0), (60, 0))
    touch("touchEnd")
    across, up, span = map(float, visit.link["at"].split(","))
    assert span == pytest.approx(2, rel=0.05), "three times as far apart, three times as near"
    assert (across, up) == pytest.approx((0, 0), abs=0.1)
    assert visit.z == before
