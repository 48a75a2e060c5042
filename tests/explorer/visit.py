"""A browser tab with the explorer: records errors, and gives tests functions to read the page."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from model_store.arrays import Float64, UInt8
from tests.support.server import RunningServer

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page, Request

Pixels = UInt8
NPZ = "application/x-npz"


VIEWS = ("code", "yours", "morph", "sample", "models")
FILLED = {
    "code": "#sliders .strip[data-updates]",
    "yours": "#verdict",
    "morph": "#strips canvas",
    "sample": "#sheet canvas",
    "models": "#about table",
}
"""What each view shows when it is filled, given an item and waypoints."""


class Visit:
    """One tab. `wrong` has everything that no page should do; a test may expect some of it, and no more."""

    def __init__(self, page: Page, server: RunningServer, root: str) -> None:
        self.page = page
        self.server = server
        self.root = root.rstrip("/")
        self.wrong: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.wrong.append(f"uncaught: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.wrong.append(f"console: {message.text} {message.location}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.root}/", "data:", "blob:")):
            self.wrong.append(f"another host or path: {request.url}")

    @contextmanager
    def refused(self, reason: str) -> Iterator[None]:
        """Chromium's console says that requests failed for this reason (`status of 413`, `ERR_CONNECTION_REFUSED`);
        at least one does in here."""
        before = len(self.wrong)
        yield
        news = self.wrong[before:]
        self.wrong[before:] = [text for text in news if f"Failed to load resource: {reason}" not in text]
        assert len(self.wrong) < before + len(news), f"nothing was refused for {reason}"

    # -- opening

    def open(self, **link: object) -> Visit:
        """Follow a link to a view, given as the parts of its fragment, and wait for its picture."""
        self.go("#" + "&".join(f"{name}={value}" for name, value in link.items()))
        return self.until_still()

    def open_failed(self, **link: object) -> Visit:
        """The same for a version that cannot decode: wait until that is said."""
        self.go("#" + "&".join(f"{name}={value}" for name, value in link.items()))
        self.page.wait_for_function("() => document.getElementById('now-error').textContent")
        return self

    def go(self, fragment: str) -> None:
        """Load the page anew, whatever it shows."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.root}/{fragment}")

    def until_still(self) -> Visit:
        """Wait until the picture is the one of the code that is shown."""
        self.page.wait_for_function(
            """() => {
                const { z } = document.getElementById("now").dataset;
                return z && JSON.parse(z).join(", ") === document.getElementById("numbers").textContent;
            }"""
        )
        return self

    def until_judged(self, item: str) -> Visit:
        """Wait until the verdict on this item is shown, and its code; a part of its name from the beginning will do."""
        self.page.locator(f"#verdict[data-item^='{item}']").wait_for(state="visible")
        return self.until_still()

    def by_id(self, name: str) -> Locator:
        return self.page.locator(f"#{name}")

    def text(self, name: str) -> str:
        return self.by_id(name).inner_text()

    def press(self, name: str) -> None:
        """Click a control."""
        self.by_id(name).click()

    def choose_view(self, name: str) -> None:
        """Click its tab, and wait until it is filled: "yours" and "morph" have to be given something."""
        self.press(f"tab-{name}")
        self.page.locator(FILLED[name]).first.wait_for()

    def next_frame(self) -> None:
        """Wait until the browser has drawn twice: once what was asked for before."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    # -- what is shown

    @property
    def z(self) -> list[float]:
        """The code as the page writes it."""
        return [float(number) for number in self.text("numbers").split(", ")]

    @property
    def link(self) -> dict[str, str]:
        """The parts of the address's fragment, once it has been written."""
        # The address follows when nothing has changed for 250 ms; timers of one page fire in the order they are due.
        self.page.evaluate("new Promise((done) => setTimeout(done, 300))")
        _, _, fragment = self.page.url.partition("#")
        return {
            name: str(httpx.URL(f"?{part}").params[name])
            for part in fragment.split("&")
            for name in [part.split("=")[0]]
        }

    def pixels(self, selector: str) -> Pixels:
        """What is on a canvas: (height, width, 4)."""
        return self.pixels_of(self.page.locator(selector))

    @staticmethod
    def pixels_of(canvas: Locator) -> Pixels:
        found = canvas.evaluate("canvas => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(found.partition(",")[2]))).convert("RGBA"))

    def grey(self, selector: str) -> Pixels:
        """What is on a canvas that shows a grey picture: (height, width)."""
        return self.pixels(selector)[..., 0]

    def colour(self, variable: str) -> tuple[int, int, int]:
        """A colour of the style sheet, or `legend:3`, that of the legend's fourth class."""
        if variable.startswith("legend:"):
            dot = self.page.locator("#legend button i").nth(int(variable[7:]))
            found = dot.evaluate("dot => getComputedStyle(dot).backgroundColor")
        else:
            found = self.page.evaluate(
                "name => getComputedStyle(document.documentElement).getPropertyValue(name)", variable
            )
        red, green, blue = (round(float(part)) for part in re.findall(r"[\d.]+", found)[:3])
        return red, green, blue

    def places_of(self, selector: str, colour: Sequence[int], tolerance: int = 0, alpha: int = 255) -> NDArray[np.intp]:
        """Where a canvas has this colour, at least so opaque: (n, 2), right and down, in its own pixels."""
        pixels = self.pixels(selector).astype(np.int64)
        near = np.abs(pixels[..., :3] - np.array(colour)).max(-1) <= tolerance
        rows, columns = np.nonzero(near & (pixels[..., 3] >= alpha))
        return np.column_stack([columns, rows])

    # -- the map

    def on_map(self, places: ArrayLike, at: str) -> list[tuple[float, float]]:
        """Where places (n, 2) of the map are on its canvas, in the view that `at` says."""
        across, up, _ = map(float, at.split(","))
        width, height = self.map_size
        scale = self.map_scale(at)
        return [
            (width / 2 + scale * (float(x) - across), height / 2 - scale * (float(y) - up)) for x, y in np.array(places)
        ]

    def map_scale(self, at: str) -> float:
        """Pixels a unit of the map."""
        return min(self.map_size) / float(at.split(",")[2])

    def move_mouse_over_map(self, place: tuple[float, float]) -> None:
        """A place of the canvas."""
        self.by_id("map").hover(position={"x": place[0], "y": place[1]})

    def click_map(self, place: tuple[float, float]) -> None:
        """A place of the canvas."""
        self.by_id("map").click(position={"x": place[0], "y": place[1]})

    @property
    def map_size(self) -> tuple[float, float]:
        """Width and height of the map, in CSS pixels; its canvas has as many of its own."""
        width, height = self.by_id("map").evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
        return float(width), float(height)

    def drag(self, selector: str, path: Sequence[tuple[float, float]]) -> None:
        """With the mouse over an element, by places in it."""
        box = self.page.locator(selector).bounding_box()
        assert box is not None
        mouse = self.page.mouse
        mouse.move(box["x"] + path[0][0], box["y"] + path[0][1])
        mouse.down()
        for x, y in path[1:]:
            mouse.move(box["x"] + x, box["y"] + y)
        mouse.up()

    # -- what the service says by itself

    def map_of(self, model: str) -> dict[str, NDArray[Any]]:
        """GET /models/NAME/map as arrays."""
        return _arrays(self.server.http.get(f"/models/{model}/map", headers={"Accept": NPZ}))

    def ask(self, verb: str, model: str, **body: object) -> dict[str, NDArray[Any]]:
        """POST a verb; its answer's arrays."""
        return _arrays(self.server.http.post(verb, params={"model": model}, headers={"Accept": NPZ}, json=body))

    def tell(self, path: str) -> Mapping[str, Any]:
        """GET a document."""
        response = self.server.http.get(path)
        assert response.status_code == 200, response.text
        found: Mapping[str, Any] = response.json()
        return found

    def as_grey(self, outputs: NDArray[Any]) -> Float64:
        """Outputs in [0, 1], (…, h, w, 1), as the page rounds them to pixels."""
        return np.floor(255.0 * outputs[..., 0].astype(np.float64) + 0.5)


def assert_same_picture(shown: Pixels, told: Float64) -> None:
    """Up to one step of grey: rows of different batches may differ in their last bit."""
    assert shown.shape == told.shape
    assert np.abs(shown.astype(np.float64) - told).max() <= 1


def _arrays(response: httpx.Response) -> dict[str, NDArray[Any]]:
    assert response.status_code == 200, response.text
    with np.load(io.BytesIO(response.content)) as found:
        return dict(found)


def png_of(picture: UInt8) -> bytes:
    """(h, w) or (h, w, 3) as a file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def item_picture(item: str) -> bytes:
    """The PNG in a link's `item`."""
    assert item[0] == "p"
    return base64.urlsafe_b64decode(item[1:] + "=" * (-len(item[1:]) % 4))
