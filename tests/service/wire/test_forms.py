"""Multipart forms with image files: read completely, or refused."""

from __future__ import annotations

import pytest

from service.errors import UnreadableBody
from service.wire.image_body import parse_multipart

FORM = b"multipart/form-data; boundary=X"
PART = b'--X\r\nContent-Disposition: form-data; name="%s"; filename="f.png"\r\n\r\n%s\r\n'


def form(*files: bytes) -> bytes:
    return b"".join(PART % (b"f%d" % i, data) for i, data in enumerate(files)) + b"--X--\r\n"


def test_files_come_in_order_whatever_their_fields_are_called() -> None:
    assert parse_multipart(form(b"one", b"two", b"one"), FORM, 8).images == [b"one", b"two", b"one"]


@pytest.mark.parametrize("missing", [4, 8, 10, 60])
def test_a_form_that_was_cut_short_is_refused_whole(missing: int) -> None:
    with pytest.raises(UnreadableBody, match="cut short"):
        parse_multipart(form(b"one", b"two")[:-missing], FORM, 8)
