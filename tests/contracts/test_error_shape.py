"""Every kind of problem has one shape, one slug and one page; every error of the store has a status."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from model_store import errors as store_errors
from model_store.errors import InputError, StoreError
from model_store.errors import UnknownModel as UnknownInStore
from service.errors import MAX_DETAIL, EngineFailure, ServiceError, every_problem, from_store

KINDS = list(every_problem())


def every_store_error(kind: type[StoreError] = StoreError) -> Iterator[type[StoreError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == store_errors.__name__:
            yield from every_store_error(below)


STORE_KINDS = [kind for kind in every_store_error() if kind is not InputError and not kind.__name__.startswith("_")]


def test_slugs_and_titles_are_told_apart() -> None:
    assert len({kind.slug for kind in KINDS}) == len({kind.title for kind in KINDS}) == len(KINDS) == 40


def made(kind: type[ServiceError]) -> ServiceError:
    """An error of a kind, with the detail `detail` where it is not the kind's own."""
    if kind is EngineFailure:
        return EngineFailure(ValueError("detail"))
    return kind("detail")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.slug)
def test_a_kind_says_what_it_is(kind: type[ServiceError]) -> None:
    assert kind.status in (400, 401, 403, 404, 405, 406, 408, 413, 415, 416, 417, 422, 431, 500, 501, 503, 504, 505)
    assert re.fullmatch("[a-z]+(-[a-z]+)*", kind.slug)
    assert len(inspect.cleandoc(kind.__doc__ or "")) > 40
    error = made(kind)
    assert error.problem("id") == {
        "type": f"/problems/{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.detail,
        "instance": "id",
    }
    assert ("Retry-After" in error.headers) == (kind.status == 503)


def test_a_wrong_value_is_named_with_its_place() -> None:
    error = KINDS[-1].at(["z", 3], "detail", expected="a number", got="text")
    assert error.problem("id")["errors"] == [{"loc": ["z", 3], "expected": "a number", "got": "text"}]


def test_a_long_detail_is_cut() -> None:
    assert len(ServiceError("x" * 5000).detail) == MAX_DETAIL == 1000


@pytest.mark.parametrize("kind", STORE_KINDS, ids=lambda kind: kind.__name__)
def test_every_error_of_the_store_has_a_status(kind: type[StoreError]) -> None:
    """What is the user's is 4xx with its place, a version's is 503, the operator's is a bare 500."""
    if issubclass(kind, InputError):
        problem = from_store(kind("detail", expected="a", got="b", loc=(1, 2)), ["inputs"])
        assert problem.status in (400, 413, 422)
        assert problem.errors == [{"loc": ["inputs", 1, 2], "expected": "a", "got": "b"}]
    elif kind is UnknownInStore:
        assert from_store(UnknownInStore("digts", ["digits"], ["digits"])).status == 404
    else:
        of_a_path = kind in (store_errors.StoreMissing, store_errors.StoreUnreadable, store_errors.ModelUnreadable)
        problem = from_store(kind(*["somewhere on this machine", "cannot be read"][: 2 if of_a_path else 1]))
        assert problem.status in (404, 500, 503)
        assert problem.status != 500 or "machine" not in problem.detail
