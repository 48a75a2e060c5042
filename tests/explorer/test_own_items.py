"""A user's own items in the explorer: drawn, chosen, dropped, pasted, picked; their place on the map, their scores."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from model_store.arrays import Float32, Float64
from tests.explorer.visit import Pixels, Visit, assert_same_picture, item_picture, png_of

if TYPE_CHECKING:
    from playwright.sync_api import Route

Places = list[tuple[float, float]]


def line(*corners: tuple[float, float]) -> Places:
    """Through corners, given in shares of the pad's sides; four steps from each to the next."""
    legs = [np.linspace(a, b, 4) for a, b in pairwise(corners)]
    return [(float(x), float(y)) for leg in legs for x, y in leg]


ONE = line((0.62, 0.1), (0.5, 0.5), (0.4, 0.85))
ZERO = line(*((0.35 + 0.17 * np.cos(turn), 0.42 + 0.26 * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 13)))


def draw(visit: Visit, stroke: Places) -> None:
    """With the mouse on the pad."""
    box = visit.by_id("pad").bounding_box()
    assert box is not None
    visit.by_id("pad").scroll_into_view_if_needed()
    visit.drag("#pad", [(x * box["width"], y * box["height"]) for x, y in stroke])


def file_of(item: Pixels) -> bytes:
    return png_of(item[..., 0])


@pytest.mark.parametrize(("digit", "stroke"), [(1, ONE), (0, ZERO)])
def test_a_drawn_digit_lands_among_its_class(visit: Visit, digit: int, stroke: Places) -> None:
    visit.open(model="digits", view="yours", item="h3")
    visit.until_judged("h3")
    draw(visit, stroke)
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('The code')")
    heldout = visit.map_of("digits")
    nearest = np.argsort(np.linalg.norm(heldout["codes"] - visit.z, axis=1), kind="stable")[:10]
    like_it = int((heldout["labels"][nearest] == digit).sum())
    assert like_it > 5
    assert visit.text("readout").endswith(f"of its 10 nearest held-out items {like_it} are {digit}.")


def test_a_drawing_becomes_what_the_data_sets_images_are(visit: Visit) -> None:
    """As large and as far from the middle, wherever it was drawn; and the service says of it what the page says."""
    visit.open(model="digits", view="yours")
    draw(visit, [(0.5 * x, 0.5 * y) for x, y in ZERO])
    visit.until_judged("p")
    picture = item_picture(visit.link["item"])
    drawn = visit.grey("#original").astype(float) / 255
    images = visit.map_of("digits")["inputs"][..., 0] / 255

    def lies(image: Float64) -> tuple[float, float, float]:
        """Longer side of what is there, and its centre of mass, in pixels."""
        rows, columns = np.nonzero(image > 0.1)
        mass = image[rows, columns]
        longer = max(np.ptp(rows), np.ptp(columns)) + 1
        return float(longer), float(rows @ mass / mass.sum()), float(columns @ mass / mass.sum())

    usual = np.median([lies(image) for image in images], axis=0)
    assert np.abs(np.array(lies(drawn)) - usual).max() < 1.5

    sent = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    told = visit.ask("/reconstruct", "digits", images=[sent])
    assert visit.z == pytest.approx(told["z"][0].tolist(), rel=1e-4, abs=1e-5)
    assert_same_picture(visit.grey("#reconstruction"), visit.as_grey(told["outputs"])[0])
    score, percentile = told["anomaly.score"][0], told["anomaly.percentile"][0]
    assert re.findall(r"[\d.]+\d", visit.text("verdict-text")) == [
        f"{score:.4g}",
        f"{percentile:.1f}",
        f"{told['anomaly.threshold']:.4g}",
    ]
    assert visit.text("verdict-text").startswith("An anomaly" if told["anomaly.is_anomaly"][0] else "Not an anomaly")


def test_the_difference_is_red_where_the_reconstruction_is_higher(visit: Visit) -> None:
    visit.open(model="digits", view="yours", item="h3")
    visit.until_judged("h3")
    x = visit.map_of("digits")["inputs"][3].astype(float) / 255
    told = visit.ask("/reconstruct", "digits", inputs=[x.tolist()])
    shown = visit.pixels("#difference").astype(float)
    change = (told["outputs"][0] - x)[..., 0]
    faded = np.floor(255 * (1 - np.abs(change)) + 0.5)
    red = np.where(change > 0, 255, faded)
    blue = np.where(change > 0, faded, 255)
    assert np.abs(shown[..., 0] - red).max() <= 1
    assert np.abs(shown[..., 1] - faded).max() <= 1
    assert np.abs(shown[..., 2] - blue).max() <= 1


def arrived_at(visit: Visit, code: Float32) -> None:
    """The point is where this code is: pictures of 8 bits encode as what was held out does."""
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('The code')")
    visit.until_judged("p")
    assert visit.z == pytest.approx(code.tolist(), rel=1e-4, abs=1e-4)
    assert visit.by_id("tab-yours").get_attribute("aria-selected") == "true"


def test_a_file_that_is_chosen(visit: Visit, write: Callable[[str, bytes], Path]) -> None:
    visit.open(model="digits", view="yours")
    heldout = visit.map_of("digits")
    visit.by_id("file").set_input_files(write("digit.png", file_of(heldout["inputs"][5])))
    arrived_at(visit, heldout["codes"][5])

    visit.by_id("invert").check()
    visit.by_id("file").set_input_files(write("dark.png", file_of(255 - heldout["inputs"][6])))
    visit.page.wait_for_function(
        "before => document.getElementById('numbers').textContent !== before", arg=visit.text("numbers")
    )
    arrived_at(visit, heldout["codes"][6])


def test_a_file_that_is_dropped(visit: Visit, write: Callable[[str, bytes], Path]) -> None:
    visit.open(model="digits", view="code")
    heldout = visit.map_of("digits")
    file = write("digit.png", file_of(heldout["inputs"][7]))
    devtools = visit.page.context.new_cdp_session(visit.page)
    for kind in ("dragEnter", "dragOver", "drop"):
        data = {"items": [], "files": [str(file)], "dragOperationsMask": 1}
        devtools.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})
    arrived_at(visit, heldout["codes"][7])


def test_a_picture_that_is_pasted(visit: Visit) -> None:
    visit.open(model="digits", view="sample")
    heldout = visit.map_of("digits")
    visit.page.evaluate(
        """async (png) => {
            const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
            const copied = new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) });
            await navigator.clipboard.write([copied]);
        }""",
        base64.b64encode(file_of(heldout["inputs"][8])).decode(),
    )
    visit.page.keyboard.press("Control+V")
    arrived_at(visit, heldout["codes"][8])


def test_a_picture_of_another_size_is_fitted_by_the_service(visit: Visit, write: Callable[[str, bytes], Path]) -> None:
    visit.open(model="digits", view="yours")
    photo = np.zeros((90, 60, 3), np.uint8)
    photo[10:80, 25:35] = (250, 220, 200)
    file = write("photo.png", png_of(photo))
    visit.by_id("fit-how").select_option("stretch")
    visit.by_id("file").set_input_files(file)
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('The code')")
    told = visit.server.http.post(
        "/encode?model=digits&fit=stretch", content=file.read_bytes(), headers={"Content-Type": "image/png"}
    ).json()
    assert visit.z == pytest.approx(told["z"][0], abs=0.05), "its eight bits are what is left of the fitted picture"


def test_what_was_brought_last_stays(visit: Visit) -> None:
    """An answer about the item before comes too late."""
    visit.open(model="digits", view="yours", item="h3")
    visit.until_judged("h3")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visit.page.route("**/encode?*", hold, times=1)
    with visit.page.expect_request("**/encode?*"):
        draw(visit, ONE)
    visit.page.locator("#gallery button").nth(5).click()
    visit.until_judged("h5")
    with visit.page.expect_response("**/encode?*"):
        held[0].continue_()
    visit.next_frame()
    assert visit.link["item"] == "h5"
    assert visit.text("readout").startswith("Held-out item 5,")


def test_the_gallery_has_the_held_out_items_by_class(visit: Visit) -> None:
    visit.open(model="digits", view="yours")
    heldout = visit.map_of("digits")
    gallery = visit.page.locator("#gallery button")
    assert gallery.count() == 40
    visit.by_id("gallery-class").select_option("3")
    threes = [f"h{i}" for i in np.flatnonzero(heldout["labels"] == 3)]
    shown = [button.get_attribute("data-item") for button in gallery.all()]
    assert shown == threes[:40]
    gallery.nth(1).click()
    item = int(threes[1][1:])
    visit.until_judged(f"h{item}")
    visit.page.wait_for_function(
        "item => document.getElementById('readout').textContent.startsWith(`Held-out item ${item},`)", arg=item
    )
    assert visit.z == pytest.approx(heldout["codes"][item].tolist(), rel=1e-5)
    np.testing.assert_array_equal(visit.grey("#original"), heldout["inputs"][item, ..., 0])
    visit.by_id("gallery-class").select_option("")
    visit.press("gallery-more")
    assert [button.get_attribute("data-item") for button in gallery.all()] == [f"h{i}" for i in range(40, 80)]
