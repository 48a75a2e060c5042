"""Multipart forms with image files: read completely, or refused with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import (
    BodyTooLarge,
    InvalidValue,
    ServiceError,
    TooManyItems,
    UnknownOption,
    UnreadableBody,
    UnsupportedMediaType,
)
from service.wire.image_body import parse_multipart
from tests.service.wire import picture
from tests.support.server import RunningServer

FORM = b"multipart/form-data; boundary=X"
PART = b'--X\r\nContent-Disposition: form-data; name="%s"; filename="f.png"\r\n\r\n%s\r\n'


def form(*files: bytes) -> bytes:
    return b"".join(PART % (b"f%d" % i, data) for i, data in enumerate(files)) + b"--X--\r\n"


def with_part(*headers: bytes, data: bytes = b"data", boundary: bytes = b"X") -> bytes:
    """A form of one part with these headers."""
    return (
        b"--"
        + boundary
        + b"\r\n"
        + b"".join(line + b"\r\n" for line in headers)
        + b"\r\n"
        + data
        + (b"\r\n--" + boundary + b"--\r\n")
    )


def images_of(body: bytes, content_type: bytes = FORM, max_items: int = 8) -> list[bytes]:
    return list(parse_multipart(body, content_type, max_items).images or [])


def test_files_come_in_order_whatever_their_fields_are_called() -> None:
    assert images_of(form(b"one", b"two", b"one")) == [b"one", b"two", b"one"]


@pytest.mark.parametrize("missing", [4, 8, 10, 60])
def test_a_form_that_was_cut_short_is_refused_whole(missing: int) -> None:
    with pytest.raises(UnreadableBody, match="cut short"):
        images_of(form(b"one", b"two")[:-missing])


NAMED = b'Content-Disposition: form-data; name="a"'


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((NAMED + b'; filename="x.png"',), id="a filename"),
        pytest.param((NAMED + b"; filename=x.png",), id="a filename without quotes"),
        pytest.param((NAMED + b'; filename=""',), id="an empty filename"),
        pytest.param((NAMED + b"; filename*=UTF-8''%e2%82%ac.png",), id="a filename of RFC 2231"),
        pytest.param((NAMED + b"; filename*=nonsense",), id="a filename of RFC 2231 that is none"),
        pytest.param((NAMED + b"; FILENAME*0*=utf-8''a; filename*1=b",), id="a filename in pieces"),
        pytest.param((NAMED, b"Content-Type: image/png"), id="an image's type"),
        pytest.param((NAMED, b"content-type: IMAGE/JPEG; q=1"), id="an image's type in capitals"),
        pytest.param((NAMED, b"Content-Type: application/octet-stream"), id="the type of any bytes"),
        pytest.param((b"Content-Disposition: form-data", b"Content-Type: image/png"), id="no name"),
        pytest.param((b"Content-Type: image/webp",), id="no disposition"),
        pytest.param((b'Content-Disposition: form-data; name="\xff\xfe%"; filename="\xff"',), id="names of any bytes"),
        pytest.param(
            (b'Content-Disposition: form-data; name="' + b"n" * 10_000 + b'"; filename="x"',), id="a long name"
        ),
        pytest.param((NAMED + b'; filename="x"', *(b"X-%d: a" % i for i in range(20))), id="many headers"),
        pytest.param((NAMED + b'; filename="x"', b"Content-Transfer-Encoding: Binary"), id="binary"),
    ],
)
def test_what_is_a_file(headers: tuple[bytes, ...]) -> None:
    assert images_of(with_part(*headers)) == [b"data"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"This is a message of several parts.\r\n" + form(b"one"), id="a preamble"),
        pytest.param(b"\r\n" + form(b"one"), id="an empty line before"),
        pytest.param(b"--Y\r\n\r\n" + form(b"one"), id="a preamble with dashes"),
        pytest.param(b"-- X --X\r\n" + form(b"one"), id="a preamble with the boundary in a line"),
        pytest.param(form(b"one") + b"an epilogue\r\n--X\r\n\r\n--X--", id="an epilogue"),
        pytest.param(form(b"one").removesuffix(b"\r\n"), id="no line end at the end"),
        pytest.param(form(b"one").replace(b"--X\r\n", b"--X \t\r\n").replace(b"f.png", b"f"), id="padding"),
    ],
)
def test_what_may_stand_around_parts(body: bytes) -> None:
    if b"--X \t" in body:
        body = form(b"zero").removesuffix(b"--X--\r\n") + body
        assert images_of(body) == [b"zero", b"one"]
    else:
        assert images_of(body) == [b"one"]


@pytest.mark.parametrize(
    "charset", ["undefined", "idna", "punycode", "unicode_escape", "utf-16", "base64", "zlib", "../x", "", "a" * 5000]
)
@pytest.mark.parametrize("name", [b"a", b"\xff\xfe%", b"+AGE-", b"\\ud800", b"\\N{x}"])
def test_the_charset_of_a_form_does_not_matter(charset: str, name: bytes) -> None:
    content_type = f"multipart/form-data; boundary=X; charset={charset}".encode()
    part = b'Content-Disposition: form-data; name="%b"; filename="%b"' % (name, name)
    assert images_of(with_part(part), content_type) == [b"data"]
    with pytest.raises(UnknownOption):
        images_of(with_part(b'Content-Disposition: form-data; name="%b"' % name), content_type)
    charset_part = b'--X\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n%b\r\n' % charset.encode()
    assert images_of(charset_part + form(b"one")) == [b"one"]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        pytest.param(b'multipart/form-data; boundary="X"', b"X", id="quoted"),
        pytest.param(b"multipart/form-data; charset=utf-8; BOUNDARY=X; q=1", b"X", id="in capitals"),
        pytest.param(b'multipart/form-data; boundary="a b:c;d=/?"', b"a b:c;d=/?", id="with signs"),
        pytest.param(b"multipart/form-data; boundary=" + b"-" * 70, b"-" * 70, id="of 70 dashes"),
        pytest.param(b"multipart/form-data; boundary=" + b"x" * 200, b"x" * 200, id="of 200 letters"),
        pytest.param(b"multipart/form-data; boundary=(.*)+[", b"(.*)+[", id="like a pattern"),
    ],
)
def test_boundaries(content_type: bytes, boundary: bytes) -> None:
    body = with_part(NAMED + b'; filename="x"', data=b"--\r\n--\r\nx", boundary=boundary)
    assert images_of(body, content_type) == [b"--\r\n--\r\nx"]


@pytest.mark.parametrize(
    ("content_type", "words"),
    [
        (b"multipart/form-data", "its boundary is missing"),
        (b"multipart/form-data; boundary=", "its boundary is missing"),
        (b'multipart/form-data; boundary=""', "its boundary is missing"),
        (b"multipart/form-data; boundary*=X", "its boundary is missing"),
        (b"multipart/form-data; boundary=" + b"x" * 300, "longer than 256"),
        (b"multipart/form-data; boundary=Y", "does not stand in it"),
    ],
)
def test_a_boundary_that_is_none(content_type: bytes, words: str) -> None:
    with pytest.raises(UnreadableBody, match=words):
        images_of(form(b"one"), content_type)


@pytest.mark.parametrize("fields", [1, 8, 9, 1000, 5000])
def test_text_fields_are_no_files_however_many(fields: int) -> None:
    text = b'--X\r\nContent-Disposition: form-data; name="option"\r\n\r\n1\r\n'
    with pytest.raises(UnknownOption, match="neither a filename nor an image's Content-Type") as refused:
        images_of(text * fields + b"--X--\r\n")
    assert refused.value.errors[0]["loc"] == ["option"]


def test_a_field_with_a_very_long_name_is_named_by_its_beginning() -> None:
    with pytest.raises(UnknownOption) as refused:
        images_of(with_part(b'Content-Disposition: form-data; name="' + b"n" * 100_000 + b'"'))
    assert refused.value.errors[0]["loc"] == ["n" * 60 + "…"]


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        pytest.param(form(*[b"x"] * 9), TooManyItems, "more than 8 files", id="too many files"),
        pytest.param(
            b'--X\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\nx\r\n' * 200 + form(b"x"),
            BodyTooLarge,
            "more than 100 parts",
            id="too many other parts",
        ),
        pytest.param(with_part(*[b"A: b"] * 40), UnreadableBody, "headers", id="too many headers"),
        pytest.param(with_part(b"no header"), UnreadableBody, "headers", id="a line that is no header"),
        pytest.param(form(b"one").replace(b"\r\n", b"\n"), UnreadableBody, "cut short|headers", id="lines end with LF"),
        pytest.param(b"--X--\r\n", InvalidValue, "no files", id="no parts"),
        pytest.param(b"", UnreadableBody, "does not stand in it", id="nothing"),
        pytest.param(
            with_part(NAMED + b'; filename="x"', b"Content-Transfer-Encoding: base64"),
            UnsupportedMediaType,
            "base64",
            id="base64",
        ),
    ],
)
def test_what_is_refused_is_refused_for_its_reason(body: bytes, kind: type[ServiceError], words: str) -> None:
    with pytest.raises(kind, match=words):
        images_of(body)


def test_a_large_form_is_read_too() -> None:
    large = bytes(1 << 20)
    assert images_of(b"preamble\r\n" + form(large, b"two")) == [large, b"two"]


PIECES = st.sampled_from(
    [
        b"--X",
        b"--X--",
        b"\r\n",
        b"\n",
        b"--",
        b": ",
        b";",
        b'"',
        b"=",
        b"name",
        b"filename",
        b"filename*",
        b"\0",
        b"\xff",
        NAMED,
        b"Content-Type: image/png",
        b"Content-Disposition: ",
        b"form-data",
        b"_charset_",
        b"charset=undefined",
        b" ",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=30), st.lists(PIECES | st.binary(max_size=8), max_size=6))
def test_any_bytes_are_read_or_refused_by_name(body: list[bytes], content_type: list[bytes]) -> None:
    for kind in (FORM, b"multipart/form-data; boundary=X; " + b"".join(content_type), b"".join(content_type)):
        for data in (b"".join(body), with_part(NAMED) + b"".join(body), b"--X\r\n" + b"".join(body) + b"\r\n--X--"):
            status = 200
            try:
                assert images_of(data, kind)
            except ServiceError as error:
                status = error.status
            assert status < 500


@pytest.mark.parametrize("filling", [b";", b';"', b"; ", b';\\"', b"; name", b'; name="\\'])
def test_no_header_takes_more_than_one_look(filling: bytes) -> None:
    """Half a megabyte of any of these is read in the event loop."""
    long = filling * (400_000 // len(filling))
    with pytest.raises((UnknownOption, UnreadableBody)):
        images_of(with_part(NAMED + long))
    with pytest.raises(UnreadableBody):
        images_of(form(b"one"), b"multipart/form-data" + long)


@settings(max_examples=100)
@given(data=st.data())
def test_no_form_is_a_fault_of_the_service(
    openvino_server: RunningServer, routes_server: RunningServer, data: st.DataObject
) -> None:
    parameters = b"".join(data.draw(st.lists(PIECES, max_size=6))).translate(None, b"\0\r\n")
    pieces = b"".join(data.draw(st.lists(PIECES | st.binary(max_size=8), max_size=20)))
    picture_part = with_part(NAMED + b'; filename="x"', data=picture(np.zeros((4, 4))))
    body = data.draw(st.sampled_from([picture_part, pieces, b"--X\r\n" + pieces, pieces + b"\r\n" + picture_part]))
    headers = {b"Content-Type": FORM + b"; " + parameters + b";"}
    answers = [
        server.http.post("/encode?model=image", content=body, headers=headers)
        for server in (openvino_server, routes_server)
    ]
    assert answers[0].status_code == answers[1].status_code < 500
