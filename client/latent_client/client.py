"""`Client` and `AsyncClient`: the same methods, blocking and asynchronous.

Both only send: what is sent and how replies are read is in `verbs`, `calls` and `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, Retrying

from latent_client import verbs, wire
from latent_client.calls import Call, Request
from latent_client.errors import ConnectionFailed, Unavailable
from latent_client.pictures import PictureFormat, PictureStyle
from latent_client.retries import Budget, Patience, patient, polling
from latent_client.settings import CHUNK_BYTES, CHUNK_ITEMS, DEFAULT_URL, Settings
from latent_client.signatures import showing

P = ParamSpec("P")
T = TypeVar("T")


def _blocking(plan: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(plan(*args, **kwargs))

    return showing(plan, method)


def _blocking_picture(plan: Callable[P, Call[T]]) -> Callable[Concatenate[Pictures, P], bytes]:
    def method(self: Pictures, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
        return self.client.run(self.style.apply(plan(*args, **kwargs)))

    return showing(plan, method, returns="bytes")


def _awaited(plan: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(plan(*args, **kwargs))

    return showing(plan, method)


def _awaited_picture(
    plan: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncPictures, P], Coroutine[Any, Any, bytes]]:
    async def method(self: AsyncPictures, /, *args: P.args, **kwargs: P.kwargs) -> bytes:
        return await self.client.run(self.style.apply(plan(*args, **kwargs)))

    return showing(plan, method, returns="bytes")


class Client:
    """Blocking client of one server. Safe to share between threads.

    `model` is asked where a call names none; without either the server's default answers.
    `timeout_s` bounds each request, its repetitions included, and is told to the server; no pause within an
    answer is waited for longer. A batch that is cut into several requests has it for each. `retries`
    repetitions follow a failed connection or a 503.
    Batches go out in requests of at most `chunk_items` items and about `chunk_bytes` bytes.
    `headers` go with every request, `transport` replaces the network.

    The methods are those of `latent_client.verbs`; all raise LatentError.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        model: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        transport: httpx.BaseTransport | None = None,
        chunk_items: int = CHUNK_ITEMS,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """Open no connection yet. Raises UnusableInput for settings that make no sense."""
        self._settings = Settings(model, timeout_s, retries, chunk_items, chunk_bytes)
        self._http = httpx.Client(
            base_url=wire.base_url(base_url), headers=wire.default_headers(headers), transport=transport
        )

    encode = _blocking(verbs.encode)
    decode = _blocking(verbs.decode)
    reconstruct = _blocking(verbs.reconstruct)
    interpolate = _blocking(verbs.interpolate)
    sample = _blocking(verbs.sample)
    manifold = _blocking(verbs.manifold)
    models = _blocking(verbs.models)
    model = _blocking(verbs.model)
    version = _blocking(verbs.version)
    map = _blocking(verbs.map)

    def pictures(
        self, image_format: PictureFormat = "png", *, scale: int | None = None, fps: float | None = None
    ) -> Pictures:
        """Return the verbs answered with pictures, as bytes: `client.pictures("gif").interpolate(z=z)`.

        `scale` 1…16 magnifies, `fps` is the frames a second of a moving picture.
        """
        return Pictures(self, PictureStyle(image_format, scale, fps))

    def ready(self) -> bool:
        """Whether the service answers and has what it needs to serve; asked once."""
        try:
            self._run(verbs.readiness(), patient(retries=0, timeout_s=self._settings.timeout_s))
        except (ConnectionFailed, Unavailable):
            return False
        return True

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the service is ready; after `timeout_s` raise what stood in the way."""
        self._run(verbs.readiness(), polling(timeout_s=timeout_s))

    def run(self, call: Call[T]) -> T:
        """Send a call that was made with `latent_client.verbs`."""
        return self._run(call, patient(retries=self._settings.retries, timeout_s=self._settings.timeout_s))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def _run(self, call: Call[T], patience: Patience) -> T:
        steps = self._settings.steps(call)
        request = next(steps)
        while True:
            reply = Retrying(**patience.policy)(self._attempt, request, Budget(patience))
            try:
                request = steps.send(reply)
            except StopIteration as done:
                answer: T = done.value
                return answer

    def _attempt(self, request: Request, budget: Budget) -> httpx.Response:
        ready = wire.build(self._http, request, left_s=budget.left_s())
        try:
            return wire.checked(self._http.send(ready))
        except httpx.RequestError as error:
            raise wire.failure(ready, error) from error


@dataclass(frozen=True, slots=True)
class Pictures:
    """The verbs of a `Client`, answered with pictures (bytes of a PNG, GIF or WebP file)."""

    client: Client
    style: PictureStyle

    decode = _blocking_picture(verbs.decode)
    reconstruct = _blocking_picture(verbs.reconstruct)
    interpolate = _blocking_picture(verbs.interpolate)
    sample = _blocking_picture(verbs.sample)
    manifold = _blocking_picture(verbs.manifold)


class AsyncClient:
    """Asynchronous client of one server. Safe to share between tasks of one event loop.

    `model` is asked where a call names none; without either the server's default answers.
    `timeout_s` bounds each request, its repetitions included, and is told to the server; no pause within an
    answer is waited for longer. A batch that is cut into several requests has it for each. `retries`
    repetitions follow a failed connection or a 503.
    Batches go out in requests of at most `chunk_items` items and about `chunk_bytes` bytes.
    `headers` go with every request, `transport` replaces the network.

    The methods are those of `latent_client.verbs`, to be awaited; all raise LatentError.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        model: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 3,
        headers: Mapping[str, str] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        chunk_items: int = CHUNK_ITEMS,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        """Open no connection yet. Raises UnusableInput for settings that make no sense."""
        self._settings = Settings(model, timeout_s, retries, chunk_items, chunk_bytes)
        self._http = httpx.AsyncClient(
            base_url=wire.base_url(base_url), headers=wire.default_headers(headers), transport=transport
        )

    encode = _awaited(verbs.encode)
    decode = _awaited(verbs.decode)
    reconstruct = _awaited(verbs.reconstruct)
    interpolate = _awaited(verbs.interpolate)
    sample = _awaited(verbs.sample)
    manifold = _awaited(verbs.manifold)
    models = _awaited(verbs.models)
    model = _awaited(verbs.model)
    version = _awaited(verbs.version)
    map = _awaited(verbs.map)

    def pictures(
        self, image_format: PictureFormat = "png", *, scale: int | None = None, fps: float | None = None
    ) -> AsyncPictures:
        """Return the verbs answered with pictures, as bytes: `await client.pictures("gif").interpolate(z=z)`.

        `scale` 1…16 magnifies, `fps` is the frames a second of a moving picture.
        """
        return AsyncPictures(self, PictureStyle(image_format, scale, fps))

    async def ready(self) -> bool:
        """Whether the service answers and has what it needs to serve; asked once."""
        try:
            await self._run(verbs.readiness(), patient(retries=0, timeout_s=self._settings.timeout_s))
        except (ConnectionFailed, Unavailable):
            return False
        return True

    async def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return as soon as the service is ready; after `timeout_s` raise what stood in the way."""
        await self._run(verbs.readiness(), polling(timeout_s=timeout_s))

    async def run(self, call: Call[T]) -> T:
        """Send a call that was made with `latent_client.verbs`."""
        return await self._run(call, patient(retries=self._settings.retries, timeout_s=self._settings.timeout_s))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        """Return the client itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.aclose()

    async def _run(self, call: Call[T], patience: Patience) -> T:
        steps = self._settings.steps(call)
        request = next(steps)
        while True:
            reply: httpx.Response = await AsyncRetrying(**patience.policy)(self._attempt, request, Budget(patience))
            try:
                request = steps.send(reply)
            except StopIteration as done:
                answer: T = done.value
                return answer

    async def _attempt(self, request: Request, budget: Budget) -> httpx.Response:
        ready = wire.build(self._http, request, left_s=budget.left_s())
        try:
            return wire.checked(await self._http.send(ready))
        except httpx.RequestError as error:
            raise wire.failure(ready, error) from error


@dataclass(frozen=True, slots=True)
class AsyncPictures:
    """The verbs of an `AsyncClient`, answered with pictures (bytes of a PNG, GIF or WebP file)."""

    client: AsyncClient
    style: PictureStyle

    decode = _awaited_picture(verbs.decode)
    reconstruct = _awaited_picture(verbs.reconstruct)
    interpolate = _awaited_picture(verbs.interpolate)
    sample = _awaited_picture(verbs.sample)
    manifold = _awaited_picture(verbs.manifold)
