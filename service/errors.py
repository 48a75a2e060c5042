"""Everything that can go wrong, as RFC 9457 problems: one small class a problem, which carries its status.

The docstring of a class is its page under /problems/. No detail ever holds a stack trace, a file path or a
library's own message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, TypedDict

from model_store import errors as store
from service import limits
from service.batching import errors as batching

MAX_DETAIL = 1000
"""Characters: what a client sent is quoted, and may be long."""
MAX_NAME = 100

Location = Sequence[str | int]


class FieldError(TypedDict):
    """One value that is wrong: where it stands, what was expected there, and what came."""

    loc: list[str | int]
    expected: str
    got: str


class ServiceError(Exception):
    """Something went wrong inside the service. The log has the whole story under the request's id."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        if len(detail) > MAX_DETAIL:
            detail = detail[: MAX_DETAIL - 1] + "…"
        super().__init__(detail)
        self.detail, self.errors, self.headers = detail, list(errors), dict(headers or {})

    def problem(self, instance: str) -> dict[str, Any]:
        """The body of application/problem+json (RFC 9457)."""
        return self.described(self.detail, instance) | ({"errors": self.errors} if self.errors else {})

    @classmethod
    def described(cls, detail: str, instance: str) -> dict[str, Any]:
        """The same of a problem that names no field."""
        return {
            "type": f"/problems/{cls.slug}",
            "title": cls.title,
            "status": cls.status,
            "detail": detail,
            "instance": instance,
        }

    @classmethod
    def at(cls, loc: Location, detail: str, *, expected: str, got: str) -> ServiceError:
        """The error of one value. Names that a client has made up are cut, for they may be as long as its body."""
        named = [part if isinstance(part, int) or len(part) <= MAX_NAME else part[: MAX_NAME - 1] + "…" for part in loc]
        return cls(detail, errors=[{"loc": named, "expected": expected, "got": got}])


# -- 400 ---------------------------------------------------------------------------------------------------


class UnreadableBody(ServiceError):
    """The body is not what its Content-Type says: JSON that does not parse (NaN and Infinity are not JSON), an npy
    file that is cut short, a form whose boundary is missing."""

    status, slug, title = 400, "unreadable-body", "The body cannot be read"


class UnreadableImage(ServiceError):
    """An image is damaged, cut short, or neither PNG, JPEG nor WebP."""

    status, slug, title = 400, "unreadable-image", "The image cannot be read"


class MalformedRequest(ServiceError):
    """The bytes on the connection are no HTTP/1.1 request as RFC 9110 and RFC 9112 define it: an unknown method, a
    missing or second Host, two lengths, a broken chunk. The connection is closed, because nobody can say where the next
    request begins."""

    status, slug, title = 400, "malformed-request", "The request is no valid HTTP/1.1"


class BadHeader(ServiceError):
    """A header has a value that cannot be understood, such as an X-Request-Timeout that is no positive number."""

    status, slug, title = 400, "bad-header", "A header cannot be read"


# -- 401, 403 ----------------------------------------------------------------------------------------------


class Unauthorized(ServiceError):
    """The request needs the key of LATENT_ADMIN_KEY, sent as `Authorization: Bearer KEY`."""

    status, slug, title = 401, "unauthorized", "A key is needed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ServiceError):
    """The key that came is not the one of LATENT_ADMIN_KEY."""

    status, slug, title = 403, "forbidden", "The key is not the right one"


# -- 404, 405, 406, 408, 413, 415, 416, 417 ----------------------------------------------------------------


class NotFound(ServiceError):
    """There is nothing under this path. The document at /openapi.json lists what there is."""

    status, slug, title = 404, "not-found", "No such path"


class UnknownModel(ServiceError):
    """The store has no such model, version or alias. GET /models lists what it has."""

    status, slug, title = 404, "unknown-model", "No such model or version"


class MethodNotAllowed(ServiceError):
    """The path exists, but not with this method; the Allow header names those that work."""

    status, slug, title = 405, "method-not-allowed", "The method is not allowed here"


class NotAcceptable(ServiceError):
    """The Accept header asks for a type that this endpoint, or this model, cannot answer. The detail lists those that
    it can. Vector and sequence models have no pictures."""

    status, slug, title = 406, "not-acceptable", "The answer cannot have that type"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Vary": "Accept"})


class HeadTimeout(ServiceError):
    """The request line and the headers did not arrive within LATENT_HEAD_TIMEOUT_S. The connection is closed."""

    status, slug, title = 408, "head-timeout", "The request's head did not arrive in time"


class BodyTimeout(ServiceError):
    """The body did not arrive within LATENT_BODY_TIMEOUT_S."""

    status, slug, title = 408, "body-timeout", "The body did not arrive in time"


class BodyTooLarge(ServiceError):
    """The body is larger than LATENT_MAX_BODY_BYTES. Send fewer items a request, or the binary form
    (application/x-npy), which takes less room than JSON."""

    status, slug, title = 413, "body-too-large", "The body is too large"


class ImageTooLarge(ServiceError):
    """The image's header announces more than LATENT_MAX_PIXELS pixels; it was not decoded."""

    status, slug, title = 413, "image-too-large", "The image has too many pixels"


class TooManyPixels(ServiceError):
    """The request's images announce more than LATENT_MAX_REQUEST_PIXELS pixels together; none was decoded. Send fewer
    images a request, or smaller ones."""

    status, slug, title = 413, "too-many-pixels", "The request's images have too many pixels together"


class UnsupportedMediaType(ServiceError):
    """The Content-Type, or the Content-Encoding, is none that this endpoint reads. The detail lists those it does."""

    status, slug, title = 415, "unsupported-media-type", "The body's type is not supported"


class RangeNotSatisfiable(ServiceError):
    """The Range header asks for bytes beyond the end of the file. Content-Range has the file's length."""

    status, slug, title = 416, "range-not-satisfiable", "The file has no such bytes"


class UnknownExpectation(ServiceError):
    """The Expect header asks for something else than `100-continue`. The connection is closed, because the body was not
    read."""

    status, slug, title = 417, "unknown-expectation", "The expectation cannot be met"


# -- 422 ---------------------------------------------------------------------------------------------------


class InvalidValue(ServiceError):
    """A value could be read but does not fit: `errors` names each with its place, what was expected and what came."""

    status, slug, title = 422, "invalid-value", "A value does not fit"


class UnknownOption(ServiceError):
    """The request has an option that does not exist. It may be misspelt: options are never ignored."""

    status, slug, title = 422, "unknown-option", "No such option"


class WrongShape(ServiceError):
    """An array does not have the shape that the model takes, or its rows have different lengths. GET /models/NAME shows
    the shape of inputs and the length of codes."""

    status, slug, title = 422, "wrong-shape", "An array has the wrong shape"


class WrongDtype(ServiceError):
    """An array holds something else than the numbers that the model takes: text, objects, or integers that are not the
    bytes of an image."""

    status, slug, title = 422, "wrong-dtype", "An array holds the wrong kind of value"


class NotFinite(ServiceError):
    """An array holds a NaN or an infinity, or a number too large for float32. `errors` has its position."""

    status, slug, title = 422, "not-finite", "A value is no finite number"


class OutOfRange(ServiceError):
    """A value lies outside the model's value range. Images sent as numbers are scaled to that range by their sender;
    uint8 arrays and image files are scaled by the server."""

    status, slug, title = 422, "out-of-range", "A value is out of range"


class LatentSizeMismatch(ServiceError):
    """A code's length is not the model's latent_dim."""

    status, slug, title = 422, "latent-size-mismatch", "A code has the wrong length"


class LabelError(ServiceError):
    """A label is unknown, is missing where the model is conditional, or was given to a model that takes none."""

    status, slug, title = 422, "label", "The labels do not fit the model"


class TooManyItems(ServiceError):
    """More items than LATENT_MAX_ITEMS in the request or its answer. Send several requests."""

    status, slug, title = 422, "too-many-items", "Too many items"


class AnswerTooLarge(ServiceError):
    """The answer would have more than LATENT_MAX_OUTPUT_BYTES. Ask for fewer items, or a smaller scale."""

    status, slug, title = 422, "answer-too-large", "The answer would be too large"


class ModelNotDetermined(ServiceError):
    """The store has several models and the request names none. Add `?model=NAME`, or set LATENT_DEFAULT_MODEL."""

    status, slug, title = 422, "model-not-determined", "The request must name a model"


class Overflow(ServiceError):
    """The network's answer to this input is no finite number: the code lies too far from every code it was trained
    on."""

    status, slug, title = 422, "overflow", "The model's answer is no finite number"


# -- 431 ---------------------------------------------------------------------------------------------------


class HeadTooLarge(ServiceError):
    """The request's head, or its trailers or chunk extensions, is larger than 64 kB or has more than 100 fields. The
    connection is closed."""

    status, slug, title = 431, "head-too-large", "The request's head is too large"


# -- 5xx ---------------------------------------------------------------------------------------------------


class EngineFailure(ServiceError):
    """The engine failed on this request, and on no other that ran beside it. The log has the cause under the request's
    id."""

    status, slug, title = 500, "engine-failure", "The engine failed"

    def __init__(self, cause: BaseException) -> None:
        super().__init__("the engine failed on this request")
        self.__cause__ = cause


class UnsupportedTransferCoding(ServiceError):
    """Transfer-Encoding is something else than `chunked` alone. Send the body as it is, with its Content-Length or in
    chunks. The connection is closed."""

    status, slug, title = 501, "unsupported-transfer-coding", "The body's transfer coding is not supported"


class Overloaded(ServiceError):
    """Too many items are waiting, or the requests in flight hold too much memory. Retry after the time in Retry-After;
    nothing was computed."""

    status, slug, title = 503, "overloaded", "Too many requests are waiting"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class EngineLost(ServiceError):
    """The engine stopped in the middle of its work and is being restarted. Nothing of this request was answered: send
    it again."""

    status, slug, title = 503, "engine-lost", "The engine is being restarted"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class NotReady(ServiceError):
    """No version of the model is ready: it is still loading, or it failed. GET /models shows each version's state and
    the reason."""

    status, slug, title = 503, "not-ready", "The model is not ready"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})


class ShuttingDown(ServiceError):
    """The service is stopping. Retry: another instance will answer."""

    status, slug, title = 503, "shutting-down", "The service is stopping"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "1"})


class DeadlineExceeded(ServiceError):
    """The answer was not ready before the request's deadline (X-Request-Timeout, or LATENT_TIMEOUT_S)."""

    status, slug, title = 504, "deadline-exceeded", "The deadline passed"


class UnsupportedVersion(ServiceError):
    """The request is in a version of HTTP that is not served here: HTTP/1.1 and HTTP/1.0 are. The connection is
    closed."""

    status, slug, title = 505, "unsupported-http-version", "The version of HTTP is not supported"


# -- the tables --------------------------------------------------------------------------------------------

_OF_STORE: dict[type[store.StoreError], type[ServiceError]] = {
    store.BadName: UnknownModel,
    store.UnknownModel: UnknownModel,
    store.UnknownVersion: UnknownModel,
    store.ImageUnreadable: UnreadableImage,
    store.ImageTooLarge: ImageTooLarge,
    store.WrongShape: WrongShape,
    store.WrongDtype: WrongDtype,
    store.NotFinite: NotFinite,
    store.OutOfRange: OutOfRange,
    store.VersionDamaged: NotReady,
    store.BadAliases: NotReady,
}


def from_store(error: store.StoreError, loc: Location = ()) -> ServiceError:
    """The problem that an error of the model store is to an HTTP client; `loc` leads to the value, if it is one."""
    kind = next((_OF_STORE[base] for base in type(error).__mro__ if base in _OF_STORE), ServiceError)
    if kind is ServiceError:
        return ServiceError("the model store cannot be read")
    if isinstance(error, store.InputError):
        return kind.at([*loc, *error.loc], str(error), expected=error.expected, got=error.got)
    return kind(str(error))


_OF_BATCHING: dict[type[batching.BatchingError], type[ServiceError]] = {
    batching.QueueFull: Overloaded,
    batching.QueueClosed: ShuttingDown,
    batching.EngineThreadLost: EngineLost,
}


def from_batching(error: batching.BatchingError) -> ServiceError:
    """The problem that an error of a queue is to an HTTP client."""
    kind = _OF_BATCHING.get(type(error))
    return EngineFailure(error.__cause__ or error) if kind is None else kind(str(error))


def from_limits(error: limits.LimitReached | limits.Abandoned) -> ServiceError:
    """The problem that a limit of the process is to an HTTP client."""
    if isinstance(error, limits.Abandoned):
        return DeadlineExceeded("the answer was not ready before the request's deadline")
    return Overloaded(str(error))


def every_problem() -> Iterator[type[ServiceError]]:
    """All kinds of problem, ServiceError itself first."""
    yield ServiceError
    yield from sorted(ServiceError.__subclasses__(), key=lambda kind: (kind.status, kind.slug))
