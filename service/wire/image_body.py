"""Reads bodies with image files: a single file, or a multipart form with many."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine
from typing import ClassVar, TypeVar

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import InvalidValue, TooManyItems, UnknownOption, UnreadableBody
from service.unstable_names import require
from service.wire.payload import Payload

require("starlette")

T = TypeVar("T")


def parse_image(body: bytes) -> Payload:
    """Read a body that is one image file; the image is not decoded yet."""
    if not body:
        raise UnreadableBody("the body is empty; an image was expected")
    return Payload(source="files", images=[body])


class _InMemory(MultiPartParser):
    """A form parser that keeps files in memory: a container with a read-only root has no place for temporary files."""

    spool_max_size: ClassVar[int] = 1 << 40  # type: ignore[misc]


def parse_multipart(body: bytes, content_type: bytes, max_items: int) -> Payload:
    """Read the image files of a multipart form, in order; field names do not matter.

    Raises UnreadableBody, TooManyItems, UnknownOption for a field that is no file, InvalidValue where there is none.
    """

    headers = Headers(raw=[(b"content-type", content_type)])
    _require_end(body, headers)

    async def stream() -> AsyncGenerator[bytes, None]:
        yield body
        yield b""

    async def read() -> list[bytes]:
        form = await _InMemory(headers, stream(), max_files=max_items + 1, max_fields=8).parse()
        try:
            return [await _file(name, part) for name, part in form.multi_items()]
        finally:
            await form.close()

    try:
        images = _run(read())
    except MultiPartException as error:
        if body.count(b"filename=") > max_items:
            raise TooManyItems(f"the form has more than {max_items} files") from None
        raise UnreadableBody("the form cannot be read: " + _known_reason(error)) from None
    if not images:
        raise InvalidValue.at(["files"], "the form has no files", expected="at least one image file", got="none")
    return Payload(source="files", images=images)


def _run(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine that waits for nothing, without an event loop. Raises RuntimeError if it waits after all."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    coroutine.close()
    raise RuntimeError("a form in memory is read without waiting")


def _require_end(body: bytes, headers: Headers) -> None:
    """Raise UnreadableBody for a form without closing boundary (RFC 2046, 5.1.1), which the parser would accept."""
    boundary = parse_options_header(headers.get("content-type"))[1].get(b"boundary", b"")
    if boundary and b"--" + boundary + b"--" not in body:
        raise UnreadableBody("the form cannot be read: its closing boundary is missing, it was cut short")


async def _file(name: str, part: UploadFile | str) -> bytes:
    if isinstance(part, str):
        detail = "a form holds image files; options go into the query"
        raise UnknownOption.at([name], detail, expected="a file", got=f"text {part[:60]!r}")
    return await part.read()


def _known_reason(error: MultiPartException) -> str:
    return "its boundary is missing" if "boundary" in error.message.lower() else "it is damaged"
