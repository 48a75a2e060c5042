"""Bad links and bad items in the explorer: the page shows an error, and goes on working."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.explorer.visit import Visit, png_of

NOT_FOUND = "the server responded with a status of 404"


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("model=digits&z=1,2", "The link's code has 2 numbers, and the codes of digits@2 have 8."),
        ("model=digits&item=h99999", "There is no held-out item 99999."),
        ("model=digits&waypoints=h1;z1,2", "A waypoint has 2 numbers, not 8."),
        ("model=digits&plane=3,99", "The codes of digits@2 have no dimensions 3,99."),
        ("model=..", "The link's model is not one: “..”."),
        ("model=digits@0", "The link's model is not one: “digits@0”."),
        ("view=nope&z=a,b", "The link's view is not one: “nope”; the link's z is not one: “a,b”."),
        ("%E0%A4%A&<script>=1", "The link has an unknown part “\ufffd%A”; the link has an unknown part “<script>”."),
    ],
)  # fmt: skip
def test_a_link_that_makes_no_sense(visit: Visit, link: str, said: str) -> None:
    visit.go(f"#{link}")
    visit.until_still()
    assert visit.text("notice") == said
    goes_on_working(visit)


@pytest.mark.parametrize("model", ["gone", "digits@99"])
def test_a_link_to_a_model_that_is_gone(visit: Visit, model: str) -> None:
    with visit.refused(NOT_FOUND):
        visit.go(f"#model={model}&z=1,2,3&view=sample")
        visit.until_still()
    name, _, version = model.partition("@")
    detail = visit.server.http.get(f"/models/{name}" + (f"/versions/{version}" if version else "")).json()["detail"]
    assert visit.text("notice") == f"{detail[0].upper()}{detail[1:]}."
    assert visit.by_id("model").input_value() == "digits@2", "the default model is shown"
    goes_on_working(visit)


def test_another_link_in_the_same_tab(visit: Visit) -> None:
    visit.open(model="image")
    visit.page.evaluate("location.hash = '#model=vector&view=models&z=3'")
    visit.page.get_by_text("The link's code has 1 numbers").wait_for()
    assert visit.by_id("model").input_value() == "vector@1"
    visit.page.evaluate("location.hash = '#model=image&z=1,-1'")
    visit.page.wait_for_function("() => document.getElementById('numbers').textContent === '1, -1'")
    visit.until_still()
    assert visit.text("notice") == ""
    assert np.abs(visit.grey("#now")[:, :2] - 255 * 0.75).max() <= 1


def goes_on_working(visit: Visit) -> None:
    """The point moves, and its picture with it."""
    before = visit.z
    visit.by_id("map").press("ArrowRight")
    visit.until_still()
    assert visit.z != before


# -- items


def test_encoding_nothing(visit: Visit) -> None:
    visit.open(model="digits", view="yours")
    visit.press("pad-use")
    assert visit.text("yours-error") == "Nothing is drawn yet."
    brings_another(visit)


@pytest.mark.parametrize(
    ("name", "content", "status", "said"),
    [
        ("large.png", bytes(50_000_000), 413, "the body has 50000000 bytes; at most 33554432 are accepted"),
        ("corrupt.png", b"\x89PNG\r\n\x1a\n" + 200 * b"x", 400, "the bytes are no complete image"),
        ("note.txt", b"no picture", 415, "the body's Content-Type must be one of "),
        ("bomb.png", b"", 413, "the image has 6000 × 6000 pixels"),
        ("empty.png", b"", 400, "the body is empty; an image was expected"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)  # fmt: skip
def test_a_file_that_is_no_picture(
    visit: Visit, write: Callable[[str, bytes], Path], name: str, content: bytes, status: int, said: str
) -> None:
    visit.open(model="digits", view="yours")
    if name == "bomb.png":
        content = png_of(np.zeros((6000, 6000), np.uint8))
    with visit.refused(f"the server responded with a status of {status}"):
        visit.by_id("file").set_input_files(write(name, content))
        visit.page.wait_for_function("() => document.getElementById('yours-error').textContent")
    assert visit.text("yours-error").startswith(said)
    assert visit.by_id("banner").is_hidden()
    brings_another(visit)


def brings_another(visit: Visit) -> None:
    """What was wrong is forgotten with the next item."""
    visit.page.locator("#gallery button").nth(2).click()
    visit.page.wait_for_function("() => document.getElementById('readout').textContent.startsWith('Held-out item 2,')")
    visit.until_judged("h2")
    visit.page.wait_for_function("() => !document.getElementById('yours-error').textContent")


def test_waypoints_that_are_no_pictures(visit: Visit) -> None:
    with visit.refused("the server responded with a status of 400"):
        visit.open(model="digits", view="morph", waypoints="pAAAA;h1")
        visit.page.wait_for_function("() => document.getElementById('morph-error').textContent")
    assert visit.text("morph-error") == "the bytes are no complete image"
    visit.press("morph-clear")
    visit.page.get_by_text("Add two waypoints or more").wait_for()
    assert visit.text("morph-error") == ""
