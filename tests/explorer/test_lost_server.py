"""The explorer with a server that stops and starts again, is overloaded, or has no model yet."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import httpx
import numpy as np

from model_store import ModelStore
from tests.explorer.visit import Visit, assert_same_picture
from tests.support.server import RunningServer, running_server

REFUSED = "net::ERR_CONNECTION_REFUSED"
MANY = 20_000


def test_a_server_that_is_away_for_a_while(visits: Callable[..., Visit], affine_store: ModelStore) -> None:
    with running_server(affine_store.path, model="image") as server:
        visit = visits(server)
        visit.open(model="image", z="0,0", at="0,0,6", view="sample")
        visit.page.get_by_text("36 samples of image@1, seed 1.", exact=True).wait_for()
        before = visit.grey("#now")
        port = server.port
    with visit.refused(REFUSED):
        visit.by_id("map").press("ArrowRight")
        visit.by_id("banner").wait_for(state="visible")
        assert visit.text("banner") == "The server does not answer. Trying again …"
        assert visit.text("now-error") == "The server does not answer."
        visit.drag("#map", visit.on_map([(0, 0), (1, -1), (1.5, -1.5)], "0,0,6"))
        np.testing.assert_array_equal(visit.grey("#now"), before)
        with running_server(affine_store.path, model="image", port=port):
            visit.by_id("banner").wait_for(state="hidden")
            visit.until_still()
            z0, z1 = visit.z
            assert_same_picture(visit.grey("#now")[:, :2], np.full((4, 2), 255 * (z0 + 2) / 4))
            assert_same_picture(visit.grey("#now")[:, 2:], np.full((4, 2), 255 * (z1 + 2) / 4))
            assert visit.text("now-error") == ""
            assert z0 > 1.4


def test_a_store_without_models_and_its_first_one(
    visits: Callable[..., Visit], affine_store: ModelStore, tmp_path: Path
) -> None:
    (tmp_path / "store").mkdir()
    with running_server(tmp_path / "store", ready=None, watch_s=0.05) as server:
        server.wait_for("/livez", 200)
        visit = visits(server)
        visit.go("")
        visit.page.get_by_text("The store has no model yet: train one with “latent train mnist-vae”.").wait_for()
        assert visit.page.locator("main button:visible").count() == 0, "nothing that would do nothing"
        shutil.copytree(affine_store.path / "vector", tmp_path / "store" / "vector")
        server.wait_for("/readyz", 200)
        visit.open()
        assert visit.by_id("model").input_value() == "vector@1"
        assert len(visit.z) == 2


@contextmanager
def kept_busy(server: RunningServer) -> Iterator[None]:
    """Asks for large sheets of samples, one after the other."""
    enough = Event()

    def ask() -> None:
        with httpx.Client(base_url=server.url, timeout=60.0) as http:
            while not enough.is_set():
                http.post("/sample", json={"n": MANY}, headers={"Accept": "application/x-npy"})

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        try:
            yield
        finally:
            enough.set()
            asked.result()


def test_a_service_that_has_too_much_to_do(visits: Callable[..., Visit], explorer_store: ModelStore) -> None:
    """Its 503 is said in its own words, and the newest code is decoded when there is room again."""
    with running_server(explorer_store.path, model="digits@2", queue_items=1, max_items=MANY) as server:
        visit = visits(server)
        visit.open(model="digits", z="0,0,0,0,0,0,0,0", view="models")
        with visit.refused("the server responded with a status of 503"):
            with kept_busy(server):
                for _ in range(1000):
                    visit.by_id("map").press("ArrowRight")
                    if visit.by_id("banner").is_visible():
                        break
                assert re.fullmatch(r".* waiting.* Trying again …", visit.text("banner"))
            visit.by_id("banner").wait_for(state="hidden")
            visit.until_still()
        assert visit.text("now-error") == ""
        (told,) = visit.as_grey(visit.ask("/decode", "digits", z=[visit.z])["outputs"])
        assert_same_picture(visit.grey("#now"), told)
        assert visit.z != [0.0] * 8
