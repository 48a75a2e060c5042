"""Settings of a client, blocking or asynchronous."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

import httpx

from latent_client import calls
from latent_client.calls import Call, Limits, Request
from latent_client.errors import UnusableInput

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8000"
CHUNK_ITEMS = 256
CHUNK_BYTES = 16 * 2**20
"""Half of a server's default limit: the rest is for the framing of the items."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a client. Raises UnusableInput for invalid values."""

    model: str | None
    timeout_s: float
    retries: int
    chunk_items: int
    chunk_bytes: int

    def __post_init__(self) -> None:
        """Check the values."""
        if not self.timeout_s > 0:
            raise UnusableInput(f"timeout_s {self.timeout_s} must be positive")
        if self.retries < 0:
            raise UnusableInput(f"retries {self.retries} must not be negative")
        if self.chunk_items < 1 or self.chunk_bytes < 1:
            raise UnusableInput("chunk_items and chunk_bytes must be at least 1")

    def steps(self, call: Call[T]) -> Generator[Request, httpx.Response, T]:
        """Generate the requests of a call; all of them have the same request id."""
        limits = Limits(self.chunk_items, self.chunk_bytes)
        return calls.steps(call, model=self.model, limits=limits, request_id=uuid4().hex)
