"""What a verb reads of a request's head: single headers, lists, the query, a deadline, a length."""

from __future__ import annotations

import pytest

from service.errors import BadHeader, InvalidValue, UnreadableBody
from service.wire.head import Head, head_of

DEFAULT_S, LONGEST_S = 30.0, 60.0


def head(*headers: tuple[str, str], query: str = "") -> Head:
    return Head([(name.encode(), value.encode("latin-1")) for name, value in headers], query.encode())


def test_a_head_without_anything_asks_for_nothing() -> None:
    bare = head()
    assert (bare.accept, bare.content_type, bare.content_encoding, bare.content_length) == (None, None, None, None)
    assert (bare.if_none_match, bare.timeout, bare.model) == (None, None, None)
    assert bare.has_body is False
    assert (bare.query, bare.models, bare.options) == ([], [], [])
    bare.check_model()
    assert bare.body_bytes() is None


def test_every_header_is_found() -> None:
    full = head(
        ("host", "x"),
        ("accept", "image/png"),
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
        ("content-length", "12"),
        ("if-none-match", '"a"'),
        ("x-request-timeout", "5"),
    )
    assert (full.accept, full.content_type, full.content_encoding) == (b"image/png", b"application/json", b"gzip")
    assert (full.content_length, full.if_none_match, full.timeout) == (b"12", b'"a"', b"5")
    assert (full.has_body, full.body_bytes()) == (True, 12)


@pytest.mark.parametrize(
    ("headers", "has_body"),
    [
        ([], False),
        ([("content-length", "0")], False),
        ([("content-length", "1")], True),
        ([("transfer-encoding", "chunked")], True),
    ],
)
def test_a_body_is_announced_by_its_length_or_its_chunks(headers: list[tuple[str, str]], has_body: bool) -> None:
    assert head(*headers).has_body is has_body


def test_of_several_headers_the_first_counts_and_lists_are_one() -> None:
    several = head(
        ("accept", "image/png"),
        ("x-request-timeout", "1"),
        ("if-none-match", '"a"'),
        ("content-type", "application/json"),
        ("accept", "image/gif;q=0.5"),
        ("if-none-match", '"b"'),
        ("x-request-timeout", "2"),
        ("content-type", "text/plain"),
    )
    assert (several.accept, several.if_none_match) == (b"image/png,image/gif;q=0.5", b'"a","b"')
    assert (several.timeout, several.content_type) == (b"1", b"application/json")


def test_the_model_is_apart_from_the_options() -> None:
    asked = head(query="seed=7&model=image%402&as=&note=a+b%26c&seed=8")
    assert (asked.model, asked.models) == ("image@2", ["image@2"])
    assert asked.options == [("seed", "7"), ("as", ""), ("note", "a b&c"), ("seed", "8")]
    assert asked.query == [("seed", "7"), ("model", "image@2"), *asked.options[1:]]
    asked.check_model()


def test_two_models_are_one_too_many() -> None:
    twice = head(query="model=image&n=1&model=image")
    assert (twice.model, twice.models) == ("image", ["image", "image"])
    with pytest.raises(InvalidValue) as refused:
        twice.check_model()
    assert refused.value.errors == [{"loc": ["model"], "expected": "one", "got": "2 values"}]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(None, DEFAULT_S), ("5", 5.0), ("0.25", 0.25), ("007", 7.0), ("60", 60.0), ("1000000000", LONGEST_S)],
)
def test_a_request_says_how_long_it_may_take(given: str | None, seconds: float) -> None:
    asked = head() if given is None else head(("x-request-timeout", given))
    assert asked.timeout_s(DEFAULT_S, LONGEST_S) == seconds


@pytest.mark.parametrize(
    "given",
    [
        *("", "soon", "0", "0.0", "-0.0", "-1", "+5", " 5 ", "1_0", "1e1", ".5", "5."),
        *("nan", "inf", "-inf", "infinity", "5 s", "1,5", "\xb2", "9" * 400),
    ],
)
def test_what_is_no_positive_number_of_seconds_is_refused(given: str) -> None:
    with pytest.raises(BadHeader) as refused:
        head(("x-request-timeout", given)).timeout_s(DEFAULT_S, LONGEST_S)
    assert refused.value.errors == [{"loc": ["X-Request-Timeout"], "expected": "seconds", "got": given[:40]}]


@pytest.mark.parametrize("given", ["", "-1", "+1", "1.0", " 1", "1_0", "0x1", "one", "\xb2"])
def test_a_length_that_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(UnreadableBody):
        head(("content-length", given)).body_bytes()


def test_the_head_of_an_asgi_request() -> None:
    read = head_of({"type": "http", "headers": [(b"accept", b"*/*")], "query_string": b"model=m&n=2"})
    assert (read.accept, read.model, read.options) == (b"*/*", "m", [("n", "2")])
