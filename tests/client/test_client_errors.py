"""The client's errors for refusals of the server, and of proxies before it."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from latent_client import (
    BadRequest,
    Client,
    DeadlineExceeded,
    LatentError,
    NotFound,
    ProblemError,
    Unavailable,
)
from tests.client.conftest import Connect
from tests.client.wire_server import Reply, WireServer, problem


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (404, NotFound),
        (406, BadRequest),
        (413, BadRequest),
        (422, BadRequest),
        (429, BadRequest),
        (500, ProblemError),
        (504, DeadlineExceeded),
        (307, ProblemError),
    ],
)
def test_each_status_has_its_class_and_is_not_repeated(
    client: Client, server: WireServer, status: int, kind: type[ProblemError]
) -> None:
    server.play(problem(status, detail="so"))
    with pytest.raises(ProblemError) as caught:
        client.decode([[0.0]])
    assert type(caught.value) is kind
    assert caught.value.status == status
    assert len(server.received) == 1


def test_a_problem_document_is_told_in_full(client: Client, server: WireServer) -> None:
    errors = [{"loc": ["inputs", 3], "expected": "numbers in [0, 1]", "got": "1.5"}]
    server.play(problem(422, title="Out of range", detail="1 value is", instance="req-7", errors=errors))
    with pytest.raises(BadRequest) as caught:
        client.encode([[1.5]])
    error = caught.value
    assert (error.status, error.type, error.title) == (422, "/problems/x", "Out of range")
    assert (error.detail, error.request_id, error.errors) == ("1 value is", "req-7", tuple(errors))
    assert str(error) == (
        "422 Out of range: 1 value is (inputs.3: expected numbers in [0, 1], got 1.5) [request req-7]"
    )
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again), again.errors) == (BadRequest, str(error), error.errors)
    assert str(copy.copy(error)) == str(error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"}),
        Reply(502),
        Reply(502, b"\xff\xfe", {"Content-Type": "text/plain; charset=utf-8"}),
        Reply(502, b"{", {"Content-Type": "application/problem+json"}),
        Reply(502, b"[1]", {"Content-Type": "application/problem+json"}),
        Reply(502, b'{"title": "Bad Gateway", "errors": 3}', {"Content-Type": "application/problem+json"}),
    ],
)
def test_a_proxy_s_answer_is_an_error_like_the_server_s(client: Client, server: WireServer, reply: Reply) -> None:
    server.play(Reply(reply.status, reply.body, {**reply.headers, "X-Request-ID": "proxied"}))
    with pytest.raises(ProblemError) as caught:
        client.encode([[0.0]])
    error = caught.value
    assert (error.status, error.title, error.type, error.errors) == (502, "Bad Gateway", "about:blank", ())
    assert error.request_id == "proxied"
    assert str(error).startswith("502 Bad Gateway")


def test_a_long_page_is_cut(client: Client, server: WireServer) -> None:
    server.play(Reply(500, b"x" * 10_000, {"Content-Type": "text/html"}))
    with pytest.raises(ProblemError) as caught:
        client.encode([[0.0]])
    assert "x" * 200 in caught.value.detail
    assert "x" * 201 not in caught.value.detail


def _date(seconds: int) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("retry_after", "low_s", "high_s"),  # a number stands for the date so many seconds from now
    [
        ("7", 7.0, 7.0),
        ("0", 0.0, 0.0),
        (3600, 3500.0, 3600.0),
        (-60, 0.0, 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0, 0.0),
    ],
)
def test_retry_after_is_read_in_both_forms(
    connect: Connect, server: WireServer, retry_after: str | int, low_s: float, high_s: float
) -> None:
    header = _date(retry_after) if isinstance(retry_after, int) else retry_after
    server.play(problem(503, headers={"Retry-After": header}))
    with pytest.raises(Unavailable) as caught:
        connect(retries=0).encode([[0.0]])
    assert caught.value.retry_after_s is not None
    assert low_s <= caught.value.retry_after_s <= high_s


@pytest.mark.parametrize("retry_after", ["soon", "-3", "", "1.5"])
def test_a_retry_after_that_is_none_is_ignored(connect: Connect, server: WireServer, retry_after: str) -> None:
    server.play(problem(503, headers={"Retry-After": retry_after}))
    with pytest.raises(Unavailable) as caught:
        connect(retries=0).encode([[0.0]])
    assert (caught.value.status, caught.value.retry_after_s) == (503, None)


def test_one_except_clause_catches_all(client: Client, server: WireServer) -> None:
    server.play(problem(404, detail="unknown model 'mnits'; did you mean mnist?"))
    with pytest.raises(LatentError, match="404 Title: unknown model 'mnits'"):
        client.model("mnits")
