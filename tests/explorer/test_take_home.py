"""Command lines and links that the explorer offers: they work elsewhere, and give what the page shows."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.explorer.visit import Visit, assert_same_picture
from tests.support.server import RunningServer


def taken(visit: Visit, kind: str) -> str:
    """Copy this view; what is in the clipboard then."""
    visit.press(f"take-{kind}")
    visit.page.wait_for_function("() => document.getElementById('take-text').textContent === 'Copied.'")
    text: str = visit.page.evaluate("navigator.clipboard.readText()")
    assert visit.by_id("taken").input_value() == text
    visit.page.evaluate("document.getElementById('take-text').textContent = ''")
    return text


def by_curl(visit: Visit) -> dict[str, Any]:
    """What the copied line answers in a shell."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = subprocess.run(["sh", "-c", taken(visit, "curl")], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def by_python(visit: Visit) -> str:
    """What the copied script prints."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", taken(visit, "python")], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_code(visit: Visit) -> None:
    visit.open(model="digits", z="0.5,-1.25,0.75,2,-0.125,0,0.25,1")
    shown = visit.grey("#now")
    answer = by_curl(visit)
    assert answer["model"] == "digits@2"
    assert_same_picture(shown, visit.as_grey(np.array(answer["outputs"]))[0])
    printed = np.array(ast.literal_eval(by_python(visit)))
    assert_same_picture(shown, visit.as_grey(printed)[0])


def test_an_item(visit: Visit) -> None:
    visit.open(model="digits", view="yours", item="h9")
    visit.until_judged("h9")
    answer = by_curl(visit)
    assert visit.z == pytest.approx(answer["z"][0], rel=1e-4, abs=1e-5)
    assert f" {answer['anomaly']['percentile'][0]:.1f} %" in visit.text("verdict-text")
    assert_same_picture(visit.grey("#reconstruction"), visit.as_grey(np.array(answer["outputs"]))[0])
    code, verdict = by_python(visit).splitlines()
    assert ast.literal_eval(code.removeprefix("z ")) == pytest.approx(answer["z"][0], abs=1e-5)
    score, percentile = (float(part) for part in verdict.removeprefix("anomaly score ").split(" percentile "))
    assert (score, percentile) == pytest.approx((answer["anomaly"]["score"][0], answer["anomaly"]["percentile"][0]))


def test_a_morph(visit: Visit) -> None:
    visit.open(model="digits", view="morph", waypoints="h1;h8", steps=5, method="lerp")
    pictures = visit.page.locator("#strips .frames").first.locator("canvas")
    pictures.nth(4).wait_for()
    answer = by_curl(visit)
    shown = [visit.pixels_of(picture)[..., 0] for picture in pictures.all()]
    for picture, told in zip(shown, visit.as_grey(np.array(answer["outputs"])), strict=True):
        assert_same_picture(picture, told)
    ends = by_python(visit).removeprefix("5 items from ").split(" to ")
    assert [ast.literal_eval(end) for end in ends] == [answer["z"][0], answer["z"][-1]]


def test_samples(visit: Visit) -> None:
    visit.open(model="digits", view="sample", n=3, seed=8)
    visit.page.locator("#sheet canvas").nth(2).wait_for()
    answer = by_curl(visit)
    assert answer["seed"] == 8
    for picture, told in zip(
        visit.page.locator("#sheet canvas").all(), visit.as_grey(np.array(answer["outputs"])), strict=True
    ):
        assert_same_picture(visit.pixels_of(picture)[..., 0], told)
    assert by_python(visit) == f"seed 8 first code {answer['z'][0]}\n"


def test_a_model(visit: Visit) -> None:
    visit.open(model="digits", view="models")
    told = visit.tell("/models/digits/versions/2")
    assert by_curl(visit) == told
    assert by_python(visit) == f"ready {told['manifest']['metrics']}\n"


def test_a_drawing_and_a_class_go_along(visit: Visit) -> None:
    """Quotes, base64 and labels arrive in a shell as they left."""
    visit.open(model="conditional", view="yours", item="h0", label=1)
    visit.until_judged("h0")
    visit.drag("#pad", [(40, 40), (150, 150)])
    visit.until_judged("p")
    assert by_curl(visit)["z"][0] == pytest.approx(visit.z, abs=1e-4)
    assert ast.literal_eval(by_python(visit).splitlines()[0].removeprefix("z ")) == pytest.approx(visit.z, abs=1e-4)


def test_a_link_restores_the_view(visit: Visit, visits: Callable[..., Visit], server: RunningServer) -> None:
    visit.open(model="digits@1", view="morph", waypoints="h1;h8", steps=4)
    visit.page.locator("#legend button").nth(4).click()
    visit.by_id("across").select_option("2")
    visit.by_id("up").select_option("6")
    visit.press("zoom-out")
    visit.drag("#map", [(100, 100), (210, 150)])
    visit.press("contours")
    visit.until_still()
    link = taken(visit, "link")

    fresh = visits(server)
    fresh.page.goto(link)
    fresh.until_still()
    fresh.page.locator("#strips canvas").nth(7).wait_for()
    visit.next_frame()
    fresh.next_frame()
    assert fresh.z == visit.z
    assert fresh.by_id("model").input_value() == "digits@1"
    assert fresh.by_id("tab-morph").get_attribute("aria-selected") == "true"
    assert [fresh.by_id(name).input_value() for name in ("across", "up", "steps")] == ["2", "6", "4"]
    assert fresh.page.locator("#legend button").nth(4).get_attribute("aria-pressed") == "false"
    np.testing.assert_array_equal(fresh.grey("#now"), visit.grey("#now"))
    np.testing.assert_array_equal(fresh.pixels("#map"), visit.pixels("#map"))
    assert taken(fresh, "link") == link


@pytest.mark.parametrize(("view", "part"), [("yours", "item"), ("sample", "drawn"), ("code", "z"), ("models", "model")])
def test_a_link_restores_every_view(
    visit: Visit, visits: Callable[..., Visit], server: RunningServer, view: str, part: str
) -> None:
    visit.open(model="digits@1", view=view)
    if view == "yours":
        visit.drag("#pad", [(40, 40), (150, 150), (60, 170)])
        visit.until_judged("p")
    elif view == "sample":
        visit.page.get_by_label("Sample 7").first.click()
    elif view == "code":
        visit.page.locator("#sliders input").first.press("PageUp")
    visit.until_still()
    link = taken(visit, "link")
    assert f"{part}=" in link
    fresh = visits(server)
    fresh.page.goto(link)
    fresh.until_still()
    assert fresh.z == visit.z
    np.testing.assert_array_equal(fresh.grey("#now"), visit.grey("#now"))
    if view == "yours":
        fresh.until_judged("p")
        assert fresh.text("verdict-text") == visit.text("verdict-text")
    elif view == "sample":
        fresh.page.locator("#sheet button[aria-pressed=true]").wait_for()
        assert fresh.page.locator("#sheet button[aria-pressed=true]").get_attribute("aria-label") == "Sample 7"
