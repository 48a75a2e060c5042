"""The explorer's selected point: dragged over the map, moved by sliders, decoded."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.visit import Visit, assert_same_picture


def assert_decoded(visit: Visit, model: str) -> None:
    """The picture is what POST /decode answers for the code that is shown."""
    visit.until_still()
    (told,) = visit.as_grey(visit.ask("/decode", model, z=[visit.z])["outputs"])
    assert_same_picture(visit.grey("#now"), told)


def test_the_picture_follows_the_point_that_is_dragged(visit: Visit) -> None:
    visit.open(model="digits", at="0,0,10")
    assert_decoded(visit, "digits")
    before, updates = visit.grey("#now"), int(visit.by_id("now").get_attribute("data-updates") or 0)
    turns = np.linspace(0, 5, 40)
    visit.drag("#map", visit.on_map(np.column_stack([3 * np.cos(turns), 3 * np.sin(turns)]), "0,0,10"))
    assert_decoded(visit, "digits")
    matrix, offset = (visit.map_of("digits")[f"projection.{part}"] for part in ("matrix", "offset"))
    on_map = matrix @ visit.z + offset
    a_pixel = 1 / visit.map_scale("0,0,10")
    assert on_map == pytest.approx([3 * np.cos(5), 3 * np.sin(5)], abs=1.5 * a_pixel), "the newest position wins"
    after = visit.grey("#now")
    assert np.abs(after.astype(float) - before).mean() > 5
    assert int(visit.by_id("now").get_attribute("data-updates") or 0) >= updates + 2
    assert "item" not in visit.link


def test_requests_do_not_pile_up(visit: Visit) -> None:
    """Over a slow line, two are on their way, and the newest position waits: never more."""
    open_now, most = 0, 0

    def change(by: int) -> None:
        nonlocal open_now, most
        open_now += by
        most = max(most, open_now)

    visit.open(model="digits", at="0,0,10", view="models")
    visit.page.on("request", lambda request: change("/decode" in request.url))
    visit.page.on("requestfinished", lambda request: change(-("/decode" in request.url)))
    visit.page.context.new_cdp_session(visit.page).send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 200, "downloadThroughput": -1, "uploadThroughput": -1},
    )
    visit.drag("#map", visit.on_map([(step / 10 - 2, 1) for step in range(40)], "0,0,10"))
    visit.until_still()
    assert most == 2


def test_a_click_on_an_item_shows_its_own_code(visit: Visit) -> None:
    visit.open(model="image", at="0,0,6")
    codes = visit.map_of("image")["codes"]
    visit.click_map(*visit.on_map(codes[[20]], "0,0,6"))
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('Held-out item 20')")
    assert visit.z == pytest.approx(codes[20].tolist(), rel=1e-5)


def test_there_is_a_slider_for_each_dimension_the_widest_first(visit: Visit) -> None:
    visit.open(model="digits")
    codes = visit.map_of("digits")["codes"]
    widest = np.argsort(-codes.std(axis=0), kind="stable")
    assert visit.page.locator("#sliders label").all_inner_texts() == [f"z {i}" for i in widest]
    dimension = int(widest[0])
    slider = visit.by_id(f"z{dimension}")
    low, high = (float(slider.get_attribute(end) or "nan") for end in ("min", "max"))
    inside = np.mean((codes[:, dimension] >= low) & (codes[:, dimension] <= high))
    assert 0.98 < inside <= 1
    slider.focus()
    slider.press("Home")
    visit.until_still()
    expected = codes[0].copy()
    expected[dimension] = low
    assert visit.z == pytest.approx(expected.tolist(), rel=1e-5)
    assert_decoded(visit, "digits")
    slider.press("ArrowRight")
    assert_decoded(visit, "digits")
    assert visit.z[dimension] > low


def test_each_slider_has_its_traversal(visit: Visit) -> None:
    visit.open(model="digits")
    codes = visit.map_of("digits")["codes"]
    dimension = int(np.argmax(codes.std(axis=0)))
    strip = visit.page.locator("#sliders .strip").first
    visit.page.locator("#sliders .strip[data-updates]").first.wait_for()
    slider = visit.by_id(f"z{dimension}")
    low, high = (float(slider.get_attribute(end) or "nan") for end in ("min", "max"))
    along = np.repeat(codes[:1], 11, axis=0)
    along[:, dimension] = np.linspace(low, high, 11)
    told = visit.as_grey(visit.ask("/decode", "digits", z=along.tolist())["outputs"])
    shown = visit.pixels_of(strip)[..., 0]
    for i in range(11):
        assert_same_picture(shown[:, 30 * i : 30 * i + 28], told[i])
