"""Samples in the explorer: the sheet, its seed, and clicks on items."""

from __future__ import annotations

import numpy as np
import pytest

from tests.explorer.conftest import MAX_ITEMS
from tests.explorer.visit import Visit, assert_same_picture


def sheet(visit: Visit, text: str) -> list[np.ndarray]:
    """The pictures of the sheet, once it says this of itself."""
    visit.page.get_by_text(text, exact=True).wait_for()
    return [visit.pixels_of(canvas)[..., 0] for canvas in visit.page.locator("#sheet canvas").all()]


def test_the_sheet_is_what_the_seed_gives(visit: Visit) -> None:
    visit.open(model="digits", view="sample", seed=11, n=9)
    shown = sheet(visit, "9 samples of digits@2, seed 11.")
    told = visit.ask("/sample", "digits", n=9, seed=11)
    for picture, meant in zip(shown, visit.as_grey(told["outputs"]), strict=True):
        assert_same_picture(picture, meant)

    visit.by_id("n").fill("4")
    visit.by_id("seed").fill("12")
    visit.by_id("temperature").fill("0.5")
    visit.by_id("truncation").fill("1.5")
    visit.by_id("prior").select_option("fitted")
    visit.by_id("sample-form").get_by_role("button", name="Sample").click()
    shown = sheet(visit, "4 samples of digits@2, seed 12.")
    told = visit.ask("/sample", "digits", n=4, seed=12, temperature=0.5, truncation=1.5, prior="fitted")
    for picture, meant in zip(shown, visit.as_grey(told["outputs"]), strict=True):
        assert_same_picture(picture, meant)
    link = visit.link
    assert {name: link[name] for name in ("n", "seed", "temperature", "truncation", "prior")} == {
        "n": "4",
        "seed": "12",
        "temperature": "0.5",
        "truncation": "1.5",
        "prior": "fitted",
    }


def test_another_seed_gives_other_samples_and_stands_in_the_address(visit: Visit) -> None:
    visit.open(model="digits", view="sample", n=3)
    before = sheet(visit, "3 samples of digits@2, seed 1.")
    visit.press("new-seed")
    visit.page.wait_for_function("() => !document.getElementById('sample-text').textContent.endsWith(' seed 1.')")
    seed = visit.by_id("seed").input_value()
    after = sheet(visit, f"3 samples of digits@2, seed {seed}.")
    assert not np.array_equal(before, after)
    assert visit.link["seed"] == seed


def test_a_sample_can_be_put_on_the_map(visit: Visit) -> None:
    visit.open(model="digits", view="sample", n=5, seed=3)
    shown = sheet(visit, "5 samples of digits@2, seed 3.")
    visit.page.get_by_label("Sample 4").first.click()
    visit.until_still()
    told = visit.ask("/sample", "digits", n=5, seed=3)
    assert visit.z == pytest.approx(told["z"][3].tolist(), rel=1e-5)
    assert_same_picture(visit.grey("#now"), shown[3].astype(float))
    assert visit.link["drawn"] == "3"


def test_what_the_service_refuses_is_said_beside_the_form(visit: Visit) -> None:
    visit.open(model="digits", view="sample", n=2)
    before = sheet(visit, "2 samples of digits@2, seed 1.")
    too_many = MAX_ITEMS + 1
    visit.by_id("n").fill(str(too_many))
    with visit.refused("the server responded with a status of 422"):
        visit.by_id("n").press("Enter")
        visit.page.wait_for_function("() => document.getElementById('sample-error').textContent")
    refused = visit.server.http.post("/sample?model=digits", json={"n": too_many})
    assert visit.text("sample-error") == refused.json()["detail"]
    visit.by_id("n").fill("2")
    visit.by_id("n").press("Enter")
    visit.page.wait_for_function("() => !document.getElementById('sample-error').textContent")
    assert np.array_equal(sheet(visit, "2 samples of digits@2, seed 1."), before)
