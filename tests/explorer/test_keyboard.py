"""The explorer without a mouse: every control can be reached and used by the keyboard."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.visit import VIEWS, Visit

REACHABLE = """() => [...document.querySelectorAll("a[href], button, select, input, textarea, summary, [tabindex='0']")]
    .filter((each) => !each.disabled && each.tabIndex >= 0 && each.checkVisibility({ visibilityProperty: true }))
    .map((each, i) => {
        each.dataset.reach = i;
        return each.id || each.getAttribute("aria-label") || each.textContent.trim();
    })"""
FOCUSED = "() => document.activeElement.dataset.reach ?? null"


def test_tab_reaches_every_control(visit: Visit) -> None:
    visit.open(model="conditional", view="models", item="h3", waypoints="h1;h2", n=3)
    for view in VIEWS:
        visit.choose_view(view)
        assert (view, missed_by_tab(visit)) == (view, [])
    visit.open(model="vector", view="yours", item="h3")
    visit.until_judged("h3")
    assert missed_by_tab(visit) == []


def missed_by_tab(visit: Visit) -> list[str]:
    """Controls that Tab does not come to, beginning at the top."""
    names = visit.page.evaluate(REACHABLE)
    controls = visit.page.locator("button:visible, select:visible, input:visible, textarea:visible").count()
    disabled = visit.page.locator("button:visible:disabled").count()
    assert controls - disabled - 4 <= len(names), "of five tabs one is on the way, and arrows lead to the others"
    reached = set()
    visit.page.locator(".skip").focus()
    for _ in names:
        reached.add(visit.page.evaluate(FOCUSED))
        visit.page.keyboard.press("Tab")
    return [name for i, name in enumerate(names) if str(i) not in reached]


def test_arrows_lead_from_tab_to_tab(visit: Visit) -> None:
    visit.open(model="image")
    visit.by_id("tab-code").focus()
    for view in (*VIEWS[1:], "code"):
        visit.page.keyboard.press("ArrowRight")
        assert visit.page.evaluate("document.activeElement.id") == f"tab-{view}"
        assert visit.by_id(f"view-{view}").is_visible()
        assert visit.page.locator("[role=tabpanel]:visible").count() == 1
    visit.page.keyboard.press("ArrowLeft")
    assert visit.by_id("view-models").is_visible()


def test_the_first_tab_leads_past_the_map(visit: Visit) -> None:
    visit.open(model="image", z="1,-1")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.textContent") == "To the controls"
    visit.page.keyboard.press("Enter")
    assert visit.page.evaluate("document.activeElement.id") == "panel"
    assert visit.z == [1, -1]
    assert visit.text("notice") == ""
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.id") == "tab-code"


def test_the_map_by_keyboard(visit: Visit) -> None:
    visit.open(model="image", z="0,0", at="0,0,5")
    canvas = visit.by_id("map")
    canvas.focus()
    for key, expected in (
        ("ArrowRight", [0.1, 0]),
        ("ArrowUp", [0.1, 0.1]),
        ("ArrowLeft", [0, 0.1]),
        ("ArrowDown", [0, 0]),
    ):
        canvas.press(key)
        visit.until_still()
        assert visit.z == pytest.approx(expected, abs=1e-6)
    canvas.press("+")
    assert visit.link["at"] == "0,0,4"
    canvas.press("-")
    canvas.press("Shift+ArrowRight")
    assert visit.link["at"] == "0.5,0,5"
    canvas.press("0")
    assert visit.link["at"] != "0.5,0,5"

    codes = visit.map_of("image")["codes"]
    nearest = int(np.argmin(np.linalg.norm(codes, axis=1)))
    for key, item in ((".", nearest), (".", nearest + 1), (",", nearest)):
        canvas.press(key)
        visit.page.wait_for_function(
            "item => document.getElementById('readout').textContent.startsWith(`Held-out item ${item}.`)", arg=item
        )
        visit.until_still()
        assert visit.z == pytest.approx(codes[item].tolist(), rel=1e-5)


def test_drawing_by_keyboard(visit: Visit) -> None:
    """Space lowers the pen, arrows move it, Space lifts it: the drawing is encoded then."""
    visit.open(model="digits", view="yours")
    pad = visit.by_id("pad")
    pad.focus()
    for _ in range(6):
        pad.press("ArrowUp")
    pad.press(" ")
    for _ in range(12):
        pad.press("ArrowDown")
    pad.press(" ")
    visit.until_judged("p")
    assert visit.text("readout").endswith("are 1.")


def test_sampling_with_enter(visit: Visit) -> None:
    visit.open(model="image", view="sample")
    visit.by_id("seed").fill("77")
    visit.by_id("seed").press("Enter")
    visit.page.get_by_text("36 samples of image@1, seed 77.", exact=True).wait_for()
    first = visit.page.locator("#sheet button").first
    first.press("Enter")
    visit.until_still()
    assert first.get_attribute("aria-pressed") == "true"
    assert visit.z == pytest.approx(visit.ask("/sample", "image", n=36, seed=77)["z"][0].tolist(), rel=1e-5)
