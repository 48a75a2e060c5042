"""Retries: which requests are sent again, and after what wait. Every verb is safe to repeat.

Asked again: after a failed connection and after 503. Not again: after 4xx, which stays wrong, and after
504, where a repetition would add load to a server that is already late.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

from tenacity import RetryCallState, retry_if_exception_type, stop_after_attempt, stop_before_delay
from tenacity.retry import retry_base
from tenacity.stop import stop_base
from tenacity.wait import wait_random_exponential

from latent_client.errors import ConnectionFailed, Unavailable

# Full jitter: uniform between 0 and a bound that doubles (Brooker 2015, "Exponential Backoff And Jitter").
_backoff = wait_random_exponential(multiplier=0.1, max=5.0)
_poll = wait_random_exponential(multiplier=0.05, max=0.5)
_PROBE_S = 5.0


class Policy(TypedDict):
    """Arguments of tenacity's Retrying and AsyncRetrying."""

    retry: retry_base
    stop: stop_base
    wait: Callable[[RetryCallState], float]
    reraise: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """Limits of a request's retries: `timeout_s` in all, and `attempt_s` for each attempt."""

    policy: Policy
    timeout_s: float
    attempt_s: float = math.inf


@dataclass(frozen=True, slots=True)
class Budget:
    """The seconds that one request may take, all attempts and the waits between them included."""

    patience: Patience
    _started_at_s: float = field(default_factory=time.monotonic)

    def left_s(self) -> float:
        """Seconds left for the next attempt, never 0: each attempt gets a short time at least."""
        left_s = self._started_at_s + self.patience.timeout_s - time.monotonic()
        return max(0.001, min(left_s, self.patience.attempt_s))


def patient(*, retries: int, timeout_s: float) -> Patience:
    """Retry at most `retries` times, and only if the wait ends within `timeout_s` from the start."""
    policy: Policy = {
        "retry": retry_if_exception_type((ConnectionFailed, Unavailable)),
        "stop": stop_after_attempt(retries + 1) | stop_before_delay(timeout_s),
        "wait": _wait_s,
        "reraise": True,
    }
    return Patience(policy, timeout_s)


def polling(*, timeout_s: float) -> Patience:
    """Retry until the request succeeds, about four times a second, for `timeout_s`."""
    policy: Policy = {
        "retry": retry_if_exception_type((ConnectionFailed, Unavailable)),
        "stop": stop_before_delay(timeout_s),
        "wait": _poll,
        "reraise": True,
    }
    return Patience(policy, timeout_s, attempt_s=_PROBE_S)


def _wait_s(state: RetryCallState) -> float:
    """Seconds to wait before the next attempt: exponential backoff, added to the server's Retry-After."""
    error = state.outcome.exception() if state.outcome else None
    floor_s = error.retry_after_s if isinstance(error, Unavailable) else None
    return (floor_s or 0.0) + _backoff(state)
