"""HTTP caching: Cache-Control, entity tags, and 304 answers to conditional requests."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from model_store import ModelStore
from tests.service.stores import Publisher, models
from tests.support.problems import assert_problem
from tests.support.publisher import republish
from tests.support.server import RunningServer, running_server

FOR_EVER = "public, max-age=31536000, immutable"

KEPT = {
    "/models/image/map": "no-cache",
    "/models/image/versions/1/map": FOR_EVER,
    "/models/image/versions/1/report/samples.png": FOR_EVER,
    "/models/image/versions/1/report/history.csv": FOR_EVER,
    "/models": "no-cache",
    "/models/image": "no-cache",
    "/models/image/versions/1": "no-cache",
    "/sample?model=image&seed=7": "no-cache",
    "/sample?model=image@latest&seed=7": "no-cache",
    "/sample?model=image@1&seed=7": FOR_EVER,
    "/manifold?model=image&n=3": "no-cache",
    "/manifold?model=image@1&n=3": FOR_EVER,
    "/openapi.json": "no-cache",
    "/": "no-cache",
    "/explorer/main.js": "no-cache",
    "/explorer/pages.css": "no-cache",
    "/problems": "no-cache",
    "/problems/not-found": "no-cache",
}


@pytest.fixture(params=KEPT)
def path(request: pytest.FixtureRequest) -> str:
    kept: str = request.param
    return kept


def unchanged(response: httpx.Response) -> bool:
    """Whether an answer is a proper 304: of the headers of the 200 those that caches need, and no body."""
    if response.status_code != 304:
        assert response.status_code == 200, response.text
        return False
    assert response.content == b""
    assert "content-type" not in response.headers
    assert response.headers.get("content-length", "0") == "0"
    assert {"etag", "cache-control", "x-request-id"} <= set(response.headers)
    return True


def test_how_long_an_answer_holds(one: httpx.Client, path: str) -> None:
    response = one.get(path)
    assert response.status_code == 200
    assert response.headers["cache-control"] == KEPT[path]
    assert re.fullmatch('"[0-9a-f]{32}"', response.headers["etag"])
    assert one.get(path).headers["etag"] == response.headers["etag"]


def test_what_a_client_has_is_not_sent_again(one: httpx.Client, path: str) -> None:
    first = one.get(path)
    for method in ("GET", "HEAD"):
        again = one.request(method, path, headers={"If-None-Match": first.headers["etag"]})
        assert unchanged(again)
        for name in ("etag", "cache-control", "vary", "x-latent-model"):
            assert again.headers.get(name) == first.headers.get(name), name


@pytest.mark.parametrize(
    ("given", "holds"),
    [
        ("{etag}", True),
        ("W/{etag}", True),
        ('"a", {etag}', True),
        ('"a,b" ,W/"c",{etag}', True),
        ("*", True),
        ('"a"', False),
        ('"*"', False),
        ("{bare}", False),
        ("", False),
        ("\u00ff", False),
    ],
)
def test_the_ways_to_ask(one: httpx.Client, path: str, given: str, holds: bool) -> None:
    etag = one.get(path).headers["etag"]
    asked = given.format(etag=etag, bare=etag.strip('"')).encode("latin-1")
    assert unchanged(one.get(path, headers=[(b"If-None-Match", asked)])) == holds


def test_a_list_may_come_in_several_lines(one: httpx.Client, path: str) -> None:
    etag = one.get(path).headers["etag"]
    lines = [("If-None-Match", '"a"'), ("If-None-Match", etag), ("If-None-Match", '"b"')]
    assert unchanged(one.get(path, headers=lines))


@pytest.mark.parametrize(
    "path", ["/models/image/map", "/models/image/versions/1/map", "/sample?model=image&seed=1", "/manifold?model=image"]
)
def test_each_type_has_a_tag_of_its_own(one: httpx.Client, path: str) -> None:
    types = ["application/json", "application/x-npy", "application/x-npz", "image/png"]
    answers = [one.get(path, headers={"Accept": kind}) for kind in types]
    assert [answer.headers["content-type"] for answer in answers] == types
    assert {answer.headers["vary"] for answer in answers} == {"Accept"}
    assert len({answer.headers["etag"] for answer in answers}) == 4
    png, npy = answers[3].headers["etag"], "application/x-npy"
    assert not unchanged(one.get(path, headers={"Accept": npy, "If-None-Match": png}))


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("/models/image/map", ["?items=3", "?inputs=false"]),
        ("/sample?model=image&seed=1", ["&n=3", "&scale=2", "&prior=fitted", "&temperature=0.5", "&truncation=2"]),
        ("/manifold?model=image", ["&n=3", "&dims=1,0", "&low=0.1", "&z=0,1", "&spacing=linear"]),
    ],
)
def test_other_options_are_another_answer(one: httpx.Client, path: str, others: list[str]) -> None:
    tags = {one.get(path + other).headers["etag"] for other in ["", *others]}
    assert len(tags) == 1 + len(others)


def test_options_at_their_defaults_are_the_same_answer(one: httpx.Client) -> None:
    tags = {one.get(f"/manifold?model=image{rest}").headers["etag"] for rest in ("", "&n=15", "&scale=1")}
    assert len(tags) == 1


def test_a_number_and_a_name_have_the_same_tag_while_they_mean_the_same(one: httpx.Client) -> None:
    for number, name in (
        ("/models/image/versions/1/map", "/models/image/map"),
        ("/sample?seed=1&model=image@1", "/sample?seed=1&model=image"),
    ):
        assert one.get(number).headers["etag"] == one.get(name).headers["etag"]


@pytest.fixture(scope="module")
def quiet_server(affine_store: ModelStore) -> Iterator[RunningServer]:
    """A server that nobody else asks, so that what it counts is known."""
    with running_server(affine_store.path, model="image") as server:
        yield server


def calls(server: RunningServer) -> float:
    """Engine calls so far."""
    found = re.findall(r"^latent_infer_seconds_count\{.*\} ([\d.]+)$", server.http.get("/metrics").text, re.MULTILINE)
    return sum(map(float, found))


@pytest.mark.parametrize("path", ["/sample?seed=1", "/manifold"])
def test_nothing_is_computed_for_a_client_that_has_it(quiet_server: RunningServer, path: str) -> None:
    etag = quiet_server.http.get(path).headers["etag"]
    before = calls(quiet_server)
    assert before > 0
    assert unchanged(quiet_server.http.get(path, headers={"If-None-Match": etag}))
    assert calls(quiet_server) == before
    assert unchanged(quiet_server.http.get(path, headers={"If-None-Match": "*"}))
    assert calls(quiet_server) > before


def test_an_unseeded_sample_is_never_kept(one: httpx.Client) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        response = one.get("/sample?model=image@1", headers=headers)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "no-store"
        assert "etag" not in response.headers


def test_what_is_posted_is_never_kept(one: httpx.Client) -> None:
    response = one.post("/sample?model=image@1", json={"seed": 1}, headers={"If-None-Match": "*"})
    assert response.status_code == 200
    assert "etag" not in response.headers


@pytest.mark.parametrize(
    ("path", "status", "slug"),
    [
        ("/models/image/map?items=0", 422, "invalid-value"),
        ("/sample?model=image@1&seed=1&n=100000", 422, "too-many-items"),
        ("/manifold?model=image@1&dims=7", 422, "invalid-value"),
        ("/models/image/versions/1/report/nothing.png", 404, "not-found"),
        ("/explorer/nothing.js", 404, "not-found"),
    ],
)
def test_an_error_is_not_kept_whatever_is_asked(one: httpx.Client, path: str, status: int, slug: str) -> None:
    response = one.get(path, headers={"If-None-Match": "*"})
    assert_problem(response, status, slug)
    assert {"etag", "cache-control"} & set(response.headers) == set()


def test_a_part_of_a_figure_can_be_asked_for(one: httpx.Client) -> None:
    path = "/models/image/versions/1/report/history.csv"
    etag = one.get(path).headers["etag"]
    part = one.get(path, headers={"Range": "bytes=0-4", "If-Range": etag})
    assert (part.status_code, part.text, part.headers["etag"]) == (206, "epoch", etag)


def test_another_version_is_another_answer(affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = ModelStore(tmp_path_factory.mktemp("moving") / "store")
    publisher = Publisher(store, affine_store, "moving")
    for kind in ("image", "vector"):
        publisher.publish(kind)
    publisher.promote(1)
    paths = ["/models", "/models/moving", "/models/moving/map", "/sample?seed=1&model=moving"]
    with running_server(store.path, admin_key="key", watch_s=0) as server:
        tags = {path: server.http.get(path).headers["etag"] for path in paths}
        publisher.promote(2)
        assert server.http.post("/models/moving/reload", headers={"Authorization": "Bearer key"}).status_code == 200
        assert models(server.http)["moving"]["serves"] == 2
        for path, etag in tags.items():
            assert not unchanged(server.http.get(path, headers={"If-None-Match": etag})), path


def test_the_same_number_published_anew_is_another_answer(
    affine_store: ModelStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A store that was thrown away and made again: names and numbers are the same, the digest is not."""
    tags = []
    for kind in ("image", "rgb"):
        store = ModelStore(tmp_path_factory.mktemp("again") / "store")
        republish(store.path, "digits", affine_store.directory(kind, 1))
        with running_server(store.path) as server:
            tags.append([server.http.get(path).headers["etag"] for path in ("/models/digits/map", "/sample?seed=1")])
    assert set(tags[0]) & set(tags[1]) == set()
