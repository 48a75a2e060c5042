"""The reader of protobuf's wire format: what it reads, what it refuses, and that nothing else ever happens."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.artefacts.onnx import scan_onnx
from model_store.artefacts.scan_saved_model import scan_saved_model
from model_store.artefacts.wire_format import MAX_TEXT_BYTES, Budget, Message
from model_store.errors import ArtefactUnreadable, VersionDamaged
from tests.support.saved_models import field, mapped, node, objects, saved_model, signature, varint


def read(data: bytes, fields: int = 100) -> Message:
    return Message(data, Budget(fields))


def test_fields_are_read_by_their_numbers() -> None:
    message = read(field(1, 300) + field(2, "ü") + field(3, field(1, "inner")) + field(4, "a") + field(4, "b"))
    assert message.integer(1) == 300
    assert message.text(2) == "ü"
    assert message.message(3).text(1) == "inner"
    assert message.texts(4) == ["a", "b"]
    assert (message.has(4), message.has(5), message.integer(5), message.text(5)) == (True, False, 0, "")
    assert read(mapped(1, {"a": field(2, "x")})).by_name(1)["a"].text(2) == "x"
    assert read(field(1, 7) + field(1, varint(300) + varint(8))).integers(1) == [7, 300, 8]


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**29 - 1))
def test_every_integer_and_every_number_comes_back(value: int, number: int) -> None:
    assert read(field(number, value)).integer(number) == value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\x08", "an integer has no end"),
        (b"\x08" + b"\xff" * 10, "an integer has no end"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", "more than 64 bits"),
        (b"\x0a\x05abc", "field 1 is longer than what holds it"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "field 1 is longer than what holds it"),
        (b"\x0d\x00\x00", "field 1 is longer than what holds it"),
        (b"\x09\x00\x00", "field 1 is longer than what holds it"),
        (b"\x00\x00", "there is no field 0"),
        (b"\x0b\x0c", "field 1 has the wire type 3"),
        (b"\x0e", "field 1 has the wire type 6"),
        (varint(1 << 35) + b"\x00", "there is no field"),
    ],
)
def test_what_is_malformed_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ArtefactUnreadable, match=said):
        read(data)


def test_a_field_that_stands_twice_is_refused_where_it_may_stand_once() -> None:
    """Protobuf takes the last one, or joins them: no serialiser writes that."""
    for twice in (field(1, "a") + field(1, "b"), field(1, 1) + field(1, 2)):
        with pytest.raises(ArtefactUnreadable, match="field 1 stands twice"):
            read(twice).text(1) or read(twice).integer(1)
    with pytest.raises(ArtefactUnreadable, match="'a' stands twice in one map"):
        read(mapped(1, {"a": b""}) * 2).by_name(1)


def test_another_kind_of_value_is_refused() -> None:
    with pytest.raises(ArtefactUnreadable, match="no integer"):
        read(field(1, "a")).integer(1)
    for number in (field(1, 1), b"\x09" + b"a" * 8, b"\x0d" + b"a" * 4):
        with pytest.raises(ArtefactUnreadable, match="neither a text nor a message"):
            read(number).text(1)
    with pytest.raises(ArtefactUnreadable, match="no text in UTF-8"):
        read(field(1, b"\xff")).text(1)
    with pytest.raises(ArtefactUnreadable, match=f"a name of {MAX_TEXT_BYTES + 1} bytes"):
        read(field(1, "a" * (MAX_TEXT_BYTES + 1))).text(1)


def test_fields_are_counted_over_the_whole_file() -> None:
    inner = field(1, 1) * 5
    message = Message(field(1, inner) + field(2, inner), Budget(8))
    message.message(1)
    with pytest.raises(ArtefactUnreadable, match="more than 8 fields"):
        message.message(2)
    with pytest.raises(ArtefactUnreadable, match="more than 8 fields"):
        read(field(1, 1) * 9, 8)
    with pytest.raises(ArtefactUnreadable, match="more than 8 fields"):
        read(field(1, b"\x01" * 9), 8).integers(1)


SAVED = saved_model(
    [node("Placeholder", "x"), node("Relu", "outputs", "x", attributes={"T": field(6, 1)})], object_graph=objects()
)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_read(noise: bytes) -> None:
    with suppress(VersionDamaged):
        scan_saved_model(noise)
    with suppress(VersionDamaged):
        scan_saved_model(field(2, field(2, noise) + mapped(5, {"serving_default": signature(["outputs"])})))


@given(st.data())
def test_a_changed_file_is_refused_or_read(data: st.DataObject) -> None:
    changed = bytearray(SAVED)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        change = data.draw(st.sampled_from(["replace", "remove", "insert", "double"]))
        if change == "replace":
            changed[at] = data.draw(st.integers(0, 255))
        elif change == "remove":
            del changed[at]
        elif change == "insert":
            changed.insert(at, data.draw(st.integers(0, 255)))
        else:
            end = data.draw(st.integers(at, len(changed)))
            changed[at:at] = changed[at:end]
    with suppress(VersionDamaged):
        scan_saved_model(bytes(changed))


messages: st.SearchStrategy[bytes] = st.deferred(
    lambda: st.lists(
        st.builds(
            field,
            st.integers(1, 26),
            st.one_of(st.integers(0, 70), st.sampled_from(["", "x", "outputs", "location", "Conv"]), messages),
        ),
        max_size=4,
    ).map(b"".join)
)


@given(message=messages)
def test_messages_of_any_shape_are_refused_or_read(message: bytes) -> None:
    with suppress(VersionDamaged):
        scan_onnx(message, Path("nowhere"))
    with suppress(VersionDamaged):
        scan_saved_model(field(2, message))
