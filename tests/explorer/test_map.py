"""The map of codes: its points, panning and zooming, overlays and backgrounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from model_store.arrays import Float32
from tests.explorer.visit import Visit

if TYPE_CHECKING:
    from numpy.typing import NDArray

DISC = 25  # a point's pixels: 3 around its middle
EVERYTHING = "0,0,14"


def loneliest(coordinates: Float32, among: NDArray[np.intp]) -> int:
    """The item that stands farthest from any other."""
    distances = np.linalg.norm(coordinates[among, None] - coordinates[None], axis=-1)
    return int(among[np.sort(distances, axis=1)[:, 1].argmax()])


def test_every_held_out_item_is_a_point_in_the_colour_of_its_class(visit: Visit) -> None:
    visit.open(model="digits", at=EVERYTHING)
    heldout = visit.map_of("digits")
    assert visit.page.locator("#legend button").all_inner_texts() == [str(digit) for digit in range(10)]
    for digit in (0, 1):
        shown = visit.places_of("#map", visit.colour(f"legend:{digit}"))
        meant = np.array(visit.on_map(heldout["coordinates"][heldout["labels"] == digit], EVERYTHING))
        assert len(meant) > 10
        distances = np.linalg.norm(shown[:, None] + 0.5 - meant[None], axis=-1)
        assert distances.min(axis=1).max() < 3.5, "a point where no item is"
        seen = (distances < 3.5).sum(axis=0)
        assert np.mean(seen > DISC / 3) > 0.9, "others hide some, but few"


def test_the_legend_hides_a_class_and_shows_it_again(visit: Visit) -> None:
    visit.open(model="digits")
    one, seven = visit.colour("legend:1"), visit.colour("legend:7")
    before = len(visit.places_of("#map", one)), len(visit.places_of("#map", seven))
    assert min(before) > 10 * DISC / 2
    button = visit.page.locator("#legend button").nth(1)
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    visit.next_frame()
    assert len(visit.places_of("#map", one)) == 0
    assert len(visit.places_of("#map", seven)) >= before[1]
    assert visit.link["hidden"] == "1"
    button.click()
    visit.next_frame()
    assert (len(visit.places_of("#map", one)), len(visit.places_of("#map", seven))) == before


def test_hovering_shows_the_item(visit: Visit) -> None:
    visit.open(model="digits", at=EVERYTHING)
    heldout = visit.map_of("digits")
    item = loneliest(heldout["coordinates"], np.arange(len(heldout["labels"])))
    visit.move_mouse_over_map(*visit.on_map(heldout["coordinates"][[item]], EVERYTHING))
    assert visit.text("hover-text") == f"{heldout['labels'][item]} · item {item}"
    np.testing.assert_array_equal(visit.grey("#hover-picture"), heldout["inputs"][item, ..., 0])
    visit.by_id("readout").hover()
    assert visit.by_id("hover").is_hidden()


def test_wheel_buttons_and_hands_change_the_view(visit: Visit) -> None:
    visit.open(model="digits", at="1,-1,8")
    width, height = visit.map_size
    visit.press("zoom-in")
    assert visit.link["at"] == "1,-1,5.6"
    visit.press("zoom-out")
    assert visit.link["at"] == "1,-1,8"

    scale = min(width, height) / 8
    corner = visit.by_id("map")
    corner.hover(position={"x": width / 2 + scale, "y": height / 2})
    visit.page.mouse.wheel(0, 200)
    x, y, span = map(float, visit.link["at"].split(","))
    assert span == pytest.approx(8 * np.exp(0.3), rel=1e-3)
    assert (x - 2) / span == pytest.approx((1 - 2) / 8, rel=1e-2), "what is under the pointer stays there"
    assert y == pytest.approx(-1, abs=0.05)

    visit.open(model="digits", at="1,-1,8")
    visit.press("pan")
    visit.drag("#map", [(100, 100), (140, 120), (100 + scale, 100 + 2 * scale)])
    assert [float(part) for part in visit.link["at"].split(",")] == pytest.approx([0, 1, 8], abs=1e-3)
    assert visit.link["item"] == "h0", "the point is where it was"


def test_show_all_shows_all(visit: Visit) -> None:
    visit.open(model="digits", at="30,30,1")
    colours = [visit.colour(f"legend:{digit}") for digit in range(10)]
    assert all(len(visit.places_of("#map", colour)) == 0 for colour in colours)
    visit.press("fit")
    visit.next_frame()
    x, y, span = map(float, visit.link["at"].split(","))
    assert all(len(visit.places_of("#map", colour)) > DISC for colour in colours)
    coordinates = visit.map_of("digits")["coordinates"]
    inside = np.abs(coordinates - (x, y)).max(axis=1) < span / 2
    assert inside.mean() > 0.99


def test_any_two_dimensions_may_be_the_axes(visit: Visit) -> None:
    visit.open(model="digits")
    visit.by_id("across").select_option("3")
    visit.by_id("up").select_option("5")
    visit.press("zoom-in")
    assert visit.link["plane"] == "3,5"
    codes = visit.map_of("digits")["codes"][:, [3, 5]]
    item = loneliest(codes, np.flatnonzero(np.abs(codes - np.median(codes, axis=0)).max(axis=1) < 1.5))
    at = visit.link["at"]
    ((x, y),) = visit.on_map(codes[[item]], at)
    visit.move_mouse_over_map((x, y))
    assert visit.text("hover-text").endswith(f"item {item}")
    visit.click_map((x + 30, y))
    visit.until_still()
    scale = visit.map_scale(at)
    assert visit.z[3] == pytest.approx(codes[item, 0] + 30 / scale, abs=1.5 / scale)
    assert visit.z[5] == pytest.approx(codes[item, 1], abs=1.5 / scale)
    expected = visit.map_of("digits")["codes"][0]
    others = [0, 1, 2, 4, 6, 7]
    np.testing.assert_allclose(np.array(visit.z)[others], expected[others], rtol=1e-5)


def test_the_priors_contours(visit: Visit) -> None:
    """The affine model's prior is N(0.5, ¼ I): each contour is a circle around (0.5, 0.5)."""
    visit.open(model="image", at="0.5,0.5,4")
    ink = visit.colour("--text")
    assert len(visit.places_of("#map", ink, tolerance=8, alpha=100)) == 0
    visit.press("contours")
    visit.next_frame()
    shown = visit.places_of("#map", ink, tolerance=8, alpha=100)
    assert len(shown) > 500
    scale = min(visit.map_size) / 4
    middle = np.array(visit.map_size) / 2
    radii = np.linalg.norm(shown + 0.5 - middle, axis=1) / scale
    codes = visit.map_of("image")["codes"]
    own = np.linalg.norm(codes - 0.5, axis=1)
    meant = np.quantile(own, [0.95, 0.8, 0.6, 0.4, 0.2], method="nearest")
    assert np.abs(radii[:, None] - meant).min(axis=1).max() < 0.05
    assert all(np.abs(radii - radius).min() < 0.02 for radius in meant)


def test_the_decoded_manifold_lies_under_the_points(visit: Visit) -> None:
    """The left half of the affine model's pictures is (z0 + 2) / 4 bright, the right half (z1 + 2) / 4."""
    visit.open(model="image", at="0,0,4")
    visit.press("manifold")
    visit.page.wait_for_function(
        "() => document.getElementById('map').getContext('2d').getImageData(20, 20, 1, 1).data[3] > 200"
    )
    pixels = visit.pixels("#map")
    width, height = visit.map_size
    cell = min(width, height) / 15
    left, top = (width - min(width, height)) / 2, (height - min(width, height)) / 2
    matching = 0
    for i in range(15):
        for j in range(15):
            z0, z1 = 4 * ((i + 0.5) / 15 - 0.5), -4 * ((j + 0.5) / 15 - 0.5)
            for half, z in ((0.25, z0), (0.75, z1)):
                shown = pixels[int(top + (j + 0.5) * cell), int(left + (i + half) * cell)]
                matching += bool(np.abs(shown[:3] - 255.0 * (z + 2) / 4).max() < 3)
    assert matching > 0.9 * 2 * 15 * 15, "all but what points lie on"
    assert visit.link["manifold"] == "1"
