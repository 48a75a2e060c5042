"""What an error of a queue is to an HTTP client."""

from __future__ import annotations

import pytest

from service.batching import BatchFailed, BatchingError, EngineThreadLost, QueueClosed, QueueFull
from service.errors import EngineFailure, EngineLost, Overloaded, ServiceError, ShuttingDown, from_batching

TEXT = "a sentence for a person"
KINDS = {
    QueueFull: (Overloaded, 503),
    QueueClosed: (ShuttingDown, 503),
    EngineThreadLost: (EngineLost, 503),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_another_try_may_mend_is_a_503_that_says_when(kind: type[BatchingError]) -> None:
    error = from_batching(kind(TEXT))
    expected, status = KINDS[kind]
    assert type(error) is expected
    assert (error.status, error.detail, error.headers) == (status, TEXT, {"Retry-After": "1"})


def test_a_failure_of_the_engine_is_a_500_without_the_runtimes_words() -> None:
    cause = ArithmeticError("/a/path of the runtime")
    error = from_batching(BatchFailed(cause))
    assert type(error) is EngineFailure
    assert (error.status, error.headers) == (500, {})
    assert "path" not in str(error.problem("id"))
    assert error.__cause__ is cause  # for the log


def test_every_error_of_a_queue_has_its_problem() -> None:
    assert {*BatchingError.__subclasses__()} == {*KINDS, BatchFailed}
    unforeseen = from_batching(BatchingError("something new"))
    assert isinstance(unforeseen, ServiceError)
    assert (unforeseen.status, type(unforeseen)) == (500, EngineFailure)
