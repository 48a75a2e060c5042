"""Accept headers against what an endpoint offers: RFC 9110, section 12.5.1."""

from __future__ import annotations

import pytest

from service.errors import NotAcceptable
from service.wire import negotiation
from service.wire.negotiation import GIF, JSON, NPY, NPZ, PNG, WEBP, answer_type_for, choose, media_type, parse_accept

POST = (JSON, NPY, NPZ, PNG, GIF, WEBP)
PICTURE_FIRST = (PNG, JSON, NPY, NPZ)
ARRAYS_ONLY = (JSON, NPY, NPZ)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
CHROME_IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI_IMG = "image/webp,image/avif,image/jxl,image/heic,video/*;q=0.8,image/png,image/svg+xml,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "offers", "expected"),
    [
        (None, POST, JSON),
        ("", POST, JSON),
        ("*/*", POST, JSON),
        ("*/*", PICTURE_FIRST, PNG),
        ("application/x-npy", POST, NPY),
        ("Application/X-NPY", POST, NPY),
        ("  image/gif ; level=1 ", POST, GIF),
        ("image/*", POST, PNG),
        ("application/*", PICTURE_FIRST, JSON),
        ("image/png;q=0.5, application/json;q=0.4", POST, PNG),
        ("image/png;q=0.4, application/json;q=0.5", POST, JSON),
        ("image/png;q=0.001, text/html", POST, PNG),
        ("*/*, application/json;q=0", POST, NPY),
        ("image/*;q=0.9, image/png;q=0.1", POST, GIF),
        ("image/*;q=0, */*;q=0.1", (PNG, JSON), JSON),
        ("image/webp, image/gif", POST, GIF),
        ("application/json;q=nonsense, image/gif;q=0.1", POST, GIF),
        ("application/json;q=7", POST, JSON),
        ("application/json;q=1_0, image/gif;q=0.1", POST, GIF),
        ("application/json;q=inf, image/gif;q=0.1", POST, GIF),
        ("application/json;q=nan, image/gif;q=0.1", POST, GIF),
        ("application/json;q=1e5, image/gif;q=0.1", POST, GIF),
        ("application/json;q=\u0661, image/gif;q=0.1", POST, GIF),
        ("application/json;q=-1, image/gif;q=0.1", POST, GIF),
        (",,;, application/x-npz", POST, NPZ),
        (FIREFOX, PICTURE_FIRST, PNG),
        (CHROME_IMG, PICTURE_FIRST, PNG),
        (SAFARI_IMG, PICTURE_FIRST, PNG),
        (FIREFOX, ARRAYS_ONLY, JSON),
    ],
)
def test_the_offer_that_the_client_likes_best(accept: str | None, offers: tuple[str, ...], expected: str) -> None:
    assert choose(accept, offers) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/jpeg", "application/json;q=0", "audio/*", "image/*;q=0"])
def test_a_type_that_cannot_be_met_is_refused_and_the_offers_are_listed(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose(accept, ARRAYS_ONLY)
    assert refused.value.status == 406
    assert all(offer in refused.value.detail for offer in ARRAYS_ONLY)


def test_only_wildcards_may_fall_back() -> None:
    """`image/*` from an address bar gets JSON where a model has no pictures; `image/png` was asked for by name."""
    assert choose("image/*", ARRAYS_ONLY, wildcards_fall_back=True) == JSON
    with pytest.raises(NotAcceptable):
        choose("image/png", ARRAYS_ONLY, wildcards_fall_back=True)
    with pytest.raises(NotAcceptable):
        choose("image/*, image/png", ARRAYS_ONLY, wildcards_fall_back=True)


def test_a_browsers_image_tag_gets_json_where_there_is_no_picture() -> None:
    assert choose(CHROME_IMG, ARRAYS_ONLY, wildcards_fall_back=True) == JSON


def test_what_makes_no_sense_is_left_out() -> None:
    assert [(entry.kind, entry.quality) for entry in parse_accept("nonsense, a/b;q=0.25, /, c/, /d")] == [("a", 0.25)]


def test_long_headers_are_read_and_not_kept() -> None:
    long = b"application/json, " + b"a/b, " * 12_000
    kept = negotiation._answer_type.cache_info().currsize, negotiation._media_type.cache_info().currsize
    accept = long + b"image/gif;q=0.1"
    assert answer_type_for(accept)(accept, POST, False) == JSON
    assert media_type(b"application/json; " + b"a" * 60_000) == JSON
    assert kept == (negotiation._answer_type.cache_info().currsize, negotiation._media_type.cache_info().currsize)
