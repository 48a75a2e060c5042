"""The explorer with models of other data than pictures, and with conditional models; affine models, known answers."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.visit import Visit

PLOT = 240
"""Pixels a side of a plot's canvas: 120 of the page, twice as sharp."""


def mark_of(visit: Visit) -> tuple[float, float]:
    """Middle of the mark on the plot, in shares of its sides."""
    shown = visit.places_of("#now", visit.colour("--mark"))
    assert len(shown) > 100
    x, y = (shown.min(axis=0) + shown.max(axis=0) + 1) / 2 / PLOT
    return float(x), float(y)


def test_a_curve_model_shows_its_plane(visit: Visit) -> None:
    """The decoder's curve is the diagonal; the mark runs along it, among the held-out items."""
    visit.open(model="plain-vector", z="0")
    inputs = visit.map_of("plain-vector")["inputs"]
    spans = [
        (low - 0.05 * (high - low), high + 0.05 * (high - low))
        for low, high in zip(inputs.min(0), inputs.max(0), strict=True)
    ]

    def place(value: float) -> list[float]:
        """Of the outputs (value, value) on the plot, which leaves 8 of its 120 pixels free on each side."""
        across, up = ((value - low) / (high - low) for low, high in spans)
        return [(8 + 104 * across) / 120, (112 - 104 * up) / 120]

    assert mark_of(visit) == pytest.approx(place(0), abs=0.02)
    curve = visit.places_of("#now", visit.colour("--accent"), tolerance=20) / PLOT
    assert len(curve) > 200
    ends = np.array([place(-0.5), place(0.5)])
    direction = (ends[1] - ends[0]) / np.linalg.norm(ends[1] - ends[0])
    off = (curve - ends[0]) @ np.array([-direction[1], direction[0]])
    assert np.abs(off).max() < 0.02, "the curve is a line"

    slider = visit.by_id("z0")
    slider.focus()
    slider.press("End")
    visit.until_still()
    assert mark_of(visit) == pytest.approx(place(visit.z[0]), abs=0.02)
    assert visit.z[0] > 0.5
    assert visit.text("code-size") == "(1 number)"


def test_numbers_are_typed_in_place_of_pictures(visit: Visit) -> None:
    visit.open(model="vector", view="yours")
    assert visit.by_id("draw-field").is_hidden()
    assert visit.by_id("file-field").is_hidden()
    visit.by_id("values").fill("12, 16 30")
    visit.press("values-use")
    visit.until_judged("v")
    assert visit.z == pytest.approx([1, -1], abs=1e-5)
    told = visit.ask("/reconstruct", "vector", inputs=[[12, 16, 30]])
    assert f"is {told['anomaly.score'][0]:.4g}," in visit.text("verdict-text")

    visit.by_id("values").fill("12, x, 30")
    visit.press("values-use")
    assert visit.text("yours-error") == "“x” is not a number."
    visit.by_id("values").fill("12, 16")
    visit.press("values-use")
    visit.page.wait_for_function("() => document.getElementById('yours-error').textContent.startsWith('an item')")
    assert visit.text("yours-error") == "an item has 3 numbers, not 2"
    visit.by_id("values").fill("")
    visit.press("values-use")
    visit.page.get_by_text("an item has 3 numbers, not 1").wait_for()


def test_a_sequence_is_a_line_a_feature(visit: Visit) -> None:
    """z = (1, 0, 2): feature 0 is 1 at every step, feature 1 rises from 0 to 2."""
    visit.open(model="sequence", view="yours")
    visit.by_id("values").fill("1 0, 1 0.5, 1 1, 1 1.5, 1 2")
    visit.press("values-use")
    visit.until_judged("v")
    assert visit.z == pytest.approx([1, 0, 2], abs=1e-5)
    level = visit.places_of("#now", visit.colour("--mark"), tolerance=12, alpha=200)
    rising = visit.places_of("#now", visit.colour("--accent"), tolerance=12, alpha=200)
    assert np.ptp(level[:, 1]) <= 4
    assert np.ptp(level[:, 0]) > 0.8 * PLOT
    slope = np.polyfit(rising[:, 0], rising[:, 1], 1)[0]
    assert slope < -0.1, "up, in pixels that are counted from the top"


@pytest.mark.parametrize("model", ["plain-vector", "sequence"])
def test_morphs_and_samples_are_plots_too(visit: Visit, model: str) -> None:
    visit.open(model=model, view="morph", waypoints="h1;h2", steps=4)
    visit.page.locator("#strips canvas").nth(7).wait_for()
    assert visit.by_id("save-gif").is_hidden(), "the service makes no pictures of numbers"
    visit.choose_view("sample")
    visit.page.get_by_text(f"36 samples of {model}@1, seed 1.", exact=True).wait_for()
    first, other = (visit.pixels_of(visit.page.locator("#sheet canvas").nth(i)) for i in (0, 1))
    assert first.shape == (PLOT, PLOT, 4)
    assert (first != other).any()
    visit.press("manifold")
    visit.next_frame()
    visit.by_id("map").hover(position={"x": 5, "y": 5})


def test_a_class_is_chosen_where_the_model_takes_one(visit: Visit) -> None:
    """The affine decoder adds an eighth a class; the left half is (z0 + 4) / 8 bright in class zero."""
    visit.open(model="conditional", z="-1,1", label=0)
    assert visit.by_id("label").locator("option").all_inner_texts() == ["zero", "one", "two"]
    assert_halves(visit, 3 / 8, 5 / 8)
    visit.by_id("label").select_option("two")
    visit.page.wait_for_function("before => document.getElementById('now').dataset.updates > before", arg=1)
    assert_halves(visit, 5 / 8, 7 / 8)
    assert visit.link["label"] == "2"
    visit.choose_view("sample")
    visit.page.get_by_text("36 samples of conditional@1, seed 1.", exact=True).wait_for()
    told = visit.ask("/sample", "conditional", n=36, seed=1, labels=[2])
    shown = visit.pixels_of(visit.page.locator("#sheet canvas").first)[..., 0].astype(float)
    assert np.abs(shown - visit.as_grey(told["outputs"])[0]).max() <= 1


def assert_halves(visit: Visit, left: float, right: float) -> None:
    shown = visit.grey("#now").astype(float)
    assert np.abs(shown[:, :2] - 255 * left).max() <= 1
    assert np.abs(shown[:, 2:] - 255 * right).max() <= 1
