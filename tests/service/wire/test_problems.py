"""Problems as bytes: a rendering from the cache equals a fresh one."""

from __future__ import annotations

import orjson
import pytest

from service.errors import InvalidValue, Overloaded, ServiceError, Unauthorized, UnknownModel
from service.wire.problems import RenderedProblem, logged_problem

RENDERED = RenderedProblem(Overloaded("too much"))
AWKWARD = 'a"b\\c{}%s\u00e9'


@pytest.mark.parametrize("request_id", ["4f", AWKWARD, ""])
@pytest.mark.parametrize(
    "error",
    [
        Overloaded("much is waiting"),
        UnknownModel('there is no model ""} of this name'),
        UnknownModel(AWKWARD),
        Unauthorized("no key"),
        InvalidValue.at(["z", 0], AWKWARD, expected="a number", got="text"),
    ],
    ids=lambda error: error.slug,
)
def test_a_problem_says_all_and_names_its_request(error: ServiceError, request_id: str) -> None:
    for _ in range(2):
        status, headers, content = logged_problem(error, request_id, "/encode", None)
        assert status == error.status
        assert orjson.loads(content) == error.problem(request_id)
        assert dict(headers) == {
            b"content-type": b"application/problem+json",
            b"content-length": str(len(content)).encode(),
            **{name.lower().encode(): value.encode() for name, value in error.headers.items()},
        }
        headers.append((b"x-request-id", b"changes nothing that is kept"))


@pytest.mark.parametrize("request_id", ["a", "b" * 128, 'quo"te', "back\\slash"])
def test_what_is_rendered_again_and_again_is_what_is_rendered_once(request_id: str) -> None:
    for _ in range(2):
        head, _, body = RENDERED.rendered(request_id).partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        assert orjson.loads(body) == RENDERED.error.problem(request_id)
        assert headers == {
            "content-type": "application/problem+json",
            "retry-after": "1",
            "content-length": str(len(body)),
            "x-request-id": request_id,
        }
