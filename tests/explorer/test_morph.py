"""The explorer's interpolation: the strips, the player, the file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.explorer.visit import Visit, assert_same_picture

STEPS = 6


def strips(visit: Visit, pictures: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The pictures through latent space and those through data space, once each strip has so many."""
    visit.page.wait_for_function(
        """wanted => [...document.querySelectorAll("#strips .frames")]
            .map((strip) => strip.children.length).join() === wanted""",
        arg=f"{pictures},{pictures}",
    )
    found = [
        [visit.pixels_of(picture)[..., 0] for picture in strip.locator("canvas").all()]
        for strip in visit.page.locator("#strips .frames").all()
    ]
    return found[0], found[1]


@contextmanager
def replaced(visit: Visit) -> Iterator[None]:
    """What is done in here puts other strips in the place of those that are there."""
    before = visit.page.locator("#strips > :first-child").element_handle()
    yield
    visit.page.wait_for_function("before => !before.isConnected", arg=before)


def test_a_path_from_waypoint_to_waypoint(visit: Visit) -> None:
    """Through an item of the gallery, a place of the map, and an item that chance picks."""
    visit.open(model="digits", view="yours", at="0,0,10")
    visit.page.locator("#gallery button").nth(4).click()
    visit.until_judged("h4")
    visit.press("yours-waypoint")
    assert visit.by_id("tab-morph").get_attribute("aria-selected") == "true"
    visit.drag("#map", visit.on_map([(0, 0), (1, 1), (2, -1)], "0,0,10"))
    visit.until_still()
    place = visit.z
    visit.press("add-point")
    visit.by_id("steps").fill(str(STEPS))
    visit.by_id("steps").press("Enter")
    with replaced(visit):
        visit.by_id("method").select_option("lerp")
    visit.press("add-random")
    latent, data = strips(visit, 2 * (STEPS - 1) + 1)

    heldout = visit.map_of("digits")
    first, second, third = visit.link["waypoints"].split(";")
    assert (first, second) == ("h4", "z" + visit.text("numbers").replace(" ", ""))
    ends = [heldout["codes"][4].tolist(), place, heldout["codes"][int(third[1:])].tolist()]
    told = visit.ask("/interpolate", "digits", z=ends, steps=STEPS, method="lerp")
    for shown, meant in zip(latent, visit.as_grey(told["outputs"]), strict=True):
        assert_same_picture(shown, meant)
    codes = np.array(ends)
    halfway = visit.ask("/interpolate", "digits", z=ends, steps=3, method="lerp")["z"][1]
    np.testing.assert_allclose(halfway, codes[:2].mean(axis=0), atol=1e-5)

    a = heldout["inputs"][4, ..., 0].astype(float)
    b = visit.as_grey(visit.ask("/decode", "digits", z=[place])["outputs"])[0]
    for step in range(STEPS):
        t = step / (STEPS - 1)
        assert np.abs(data[step] - ((1 - t) * a + t * b)).max() <= 2

    visit.next_frame()
    mark = visit.colour("--mark")
    matrix, offset = heldout["projection.matrix"], heldout["projection.offset"]
    on_path = np.array(visit.on_map(told["z"] @ matrix.T + offset, "0,0,10"))
    drawn = visit.places_of("#map", mark, tolerance=8) + 0.5
    assert all(np.linalg.norm(drawn - place, axis=1).min() < 2.5 for place in on_path)


def test_slerp_or_lerp(visit: Visit) -> None:
    visit.open(model="digits", view="morph", waypoints="h1;h8", steps=5)
    codes = visit.map_of("digits")["codes"][[1, 8]].tolist()
    for method in ("auto", "lerp", "slerp"):
        before = strips(visit, 5)[0]
        with replaced(visit):
            visit.by_id("method").select_option(method)
        latent, _ = strips(visit, 5)
        told = visit.as_grey(visit.ask("/interpolate", "digits", z=codes, steps=5, method=method)["outputs"])
        for shown, meant in zip(latent, told, strict=True):
            assert_same_picture(shown, meant)
        assert method != "lerp" or not np.array_equal(before[2], latent[2]), "a Gaussian model's own way is slerp"


def test_waypoints_can_be_swapped_and_taken_away(visit: Visit) -> None:
    visit.open(model="digits", view="morph", waypoints="h1;h2;h3", steps=4)
    latent, _ = strips(visit, 7)
    with replaced(visit):
        visit.page.get_by_label("Waypoint 3 earlier").click()
    swapped, _ = strips(visit, 7)
    assert visit.link["waypoints"] == "h1;h3;h2"
    assert np.array_equal(swapped[3], latent[6])
    assert np.array_equal(swapped[6], latent[3])
    visit.page.get_by_label("Remove waypoint 1").click()
    strips(visit, 4)
    visit.page.get_by_label("Remove waypoint 1").click()
    visit.page.get_by_text("Add two waypoints or more").wait_for()
    assert visit.by_id("player").is_hidden()


def test_the_player_shows_every_frame_in_turn(visit: Visit) -> None:
    visit.open(model="digits", view="morph", waypoints="h1;h8", steps=STEPS)
    strips(visit, STEPS)
    visit.by_id("fps").fill("50")
    visit.page.evaluate(
        """() => {
            window.seen = [];
            const frame = document.getElementById("frame");
            new MutationObserver(() => window.seen.push(Number(frame.dataset.at)))
                .observe(frame, { attributeFilter: ["data-at"] });
        }"""
    )
    visit.press("play")
    assert visit.text("play") == "Stop"
    visit.page.wait_for_function("n => window.seen.length > n", arg=2 * STEPS)
    visit.press("play")
    assert visit.text("play") == "Play"
    seen = visit.page.evaluate("window.seen")
    assert seen == [turn % STEPS for turn in range(len(seen))]


def test_the_gif_plays_the_whole_path(visit: Visit, tmp_path: Path) -> None:
    visit.open(model="digits", view="morph", waypoints="h1;h8;h5", steps=STEPS)
    latent, _ = strips(visit, 2 * STEPS - 1)
    visit.by_id("fps").fill("10")
    with visit.page.expect_download() as started:
        visit.press("save-gif")
    assert started.value.suggested_filename == "morph.gif"
    started.value.save_as(tmp_path / "morph.gif")
    saved = (tmp_path / "morph.gif").read_bytes()
    codes = [[float(f"{value:.6g}") for value in code] for code in visit.map_of("digits")["codes"][[1, 8, 5]].tolist()]
    told = visit.server.http.post(
        "/interpolate",
        params={"model": "digits", "fps": 10, "scale": 9},
        headers={"Accept": "image/gif"},
        json={"z": codes, "steps": STEPS},
    )
    assert saved == told.content
    with Image.open(io.BytesIO(saved)) as gif:
        played: list[tuple[np.ndarray, int]] = []
        for frame in ImageSequence.Iterator(gif):
            grey = np.asarray(frame.convert("L"))[4::9, 4::9].astype(float)
            played.append((grey, int(frame.info["duration"])))
    assert sum(duration for _, duration in played) == pytest.approx(100 * len(latent))
    merged = [latent[0], *(b for a, b in pairwise(latent) if not np.array_equal(a, b))]
    assert len(played) == len(merged)
    for (shown, _), meant in zip(played, merged, strict=True):
        assert np.abs(shown - meant).max() <= 2
