"""Reads protobuf's wire format within limits, without a schema: the files it is given may be hostile.

Protobuf allows one message to be written in many ways: a field that holds one value may come twice, and the last one
counts. A reader that differs from the engine's in such a case would scan another graph than the engine runs. So
whatever no serialiser writes is refused, not interpreted.

The format: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

from model_store.errors import ArtefactUnreadable

MAX_FIELDS = 2_000_000
"""Most fields that are read of one file. Networks have some ten thousand, large ones some hundred thousand; this many
take some seconds."""
MAX_TEXT_BYTES = 16_384
"""Longest name: of a node, an operation, a function."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


Span = tuple[int, int]
"""Where bytes stand in the file, from and to. No byte is copied before a name is read."""
Value = int | Span | None
"""A varint as its integer; a text or a message as its place; None for a number of fixed width, which nothing reads."""


class Budget:
    """Counts the fields that are read of one file."""

    def __init__(self, fields: int = MAX_FIELDS) -> None:
        self._most = self.left = fields

    def spend(self, fields: int) -> None:
        """Count fields that were read. Raises ArtefactUnreadable beyond the limit."""
        self.left -= fields
        if self.left < 0:
            raise ArtefactUnreadable(f"it has more than {self._most} fields")


class Message:
    """The fields of one message, by their numbers. Raises ArtefactUnreadable for anything malformed or ambiguous.

    What the caller does not ask for is split off, and never looked into.
    """

    def __init__(self, data: bytes, budget: Budget, span: Span | None = None) -> None:
        self._data, self._budget = data, budget
        self._fields = _split(data, (0, len(data)) if span is None else span, budget)

    def has(self, number: int) -> bool:
        """Whether the field is there, be it empty."""
        return number in self._fields

    def integer(self, number: int) -> int:
        """An integer as it was written, without a sign; 0 where the field is missing."""
        value = self._one(number, 0)
        if not isinstance(value, int):
            raise ArtefactUnreadable(f"field {number} is no integer")
        return value

    def integers(self, number: int) -> list[int]:
        """The integers of a repeated field, packed or not, without their signs."""
        found: list[int] = []
        for value in self._fields.get(number, ()):
            if isinstance(value, int):
                found.append(value)
                continue
            at, end = _span(number, value)
            while at < end:
                self._budget.spend(1)
                one, at = _varint(self._data, at, end)
                found.append(one)
        return found

    def text(self, number: int) -> str:
        """A text; empty where the field is missing."""
        return self._text(number, self._one(number, (0, 0)))

    def texts(self, number: int) -> list[str]:
        """The texts of a repeated field, in order."""
        return [self._text(number, value) for value in self._fields.get(number, ())]

    def message(self, number: int) -> Message:
        """A message; an empty one where the field is missing."""
        return Message(self._data, self._budget, _span(number, self._one(number, (0, 0))))

    def messages(self, number: int) -> Iterator[Message]:
        """The messages of a repeated field, in order, each read as it is asked for."""
        for value in self._fields.get(number, ()):
            yield Message(self._data, self._budget, _span(number, value))

    def by_name(self, number: int) -> dict[str, Message]:
        """A map from texts to messages."""
        found: dict[str, Message] = {}
        for entry in self.messages(number):
            key = entry.text(1)
            if key in found:
                raise ArtefactUnreadable(f"{key!r} stands twice in one map")
            found[key] = entry.message(2)
        return found

    def _one(self, number: int, missing: Value) -> Value:
        values = self._fields.get(number)
        if values is None:
            return missing
        if len(values) > 1:
            raise ArtefactUnreadable(f"field {number} stands twice where it may stand once")
        return values[0]

    def _text(self, number: int, value: Value) -> str:
        start, end = _span(number, value)
        if end - start > MAX_TEXT_BYTES:
            raise ArtefactUnreadable(
                f"field {number} is a name of {end - start} bytes; at most {MAX_TEXT_BYTES} are read"
            )
        try:
            return self._data[start:end].decode()
        except UnicodeDecodeError as error:
            raise ArtefactUnreadable(f"field {number} is no text in UTF-8") from error


def _split(data: bytes, span: Span, budget: Budget) -> dict[int, list[Value]]:
    """The values of each field. Integers of one byte, which nearly all are, are read in place: twice as fast."""
    fields: dict[int, list[Value]] = {}
    (at, end), count, most = span, 0, budget.left
    while at < end:
        count += 1
        if count > most:
            break  # `spend` says so
        tag, at = (data[at], at + 1) if data[at] < 0x80 else _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise ArtefactUnreadable(f"there is no field {number}")
        value: Value
        if kind == _BYTES:
            length, at = (data[at], at + 1) if at < end and data[at] < 0x80 else _varint(data, at, end)
            value, at = (at, at + length), at + length
        elif kind == _VARINT:
            value, at = (data[at], at + 1) if at < end and data[at] < 0x80 else _varint(data, at, end)
        elif kind == _FIXED64:
            value, at = None, at + 8
        elif kind == _FIXED32:
            value, at = None, at + 4
        else:  # groups, which were given up in 2008, and numbers that mean nothing
            raise ArtefactUnreadable(f"field {number} has the wire type {kind}")
        if at > end:
            raise ArtefactUnreadable(f"field {number} is longer than what holds it")
        if number in fields:
            fields[number].append(value)
        else:
            fields[number] = [value]
    budget.spend(count)
    return fields


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The integer at a place, and the place behind it."""
    value = shift = 0
    for place in range(at, min(at + _MAX_VARINT_BYTES, end)):
        byte = data[place]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64:
                raise ArtefactUnreadable("an integer has more than 64 bits")
            return value, place + 1
        shift += 7
    raise ArtefactUnreadable("an integer has no end")


def _span(number: int, value: Value) -> Span:
    if not isinstance(value, tuple):
        raise ArtefactUnreadable(f"field {number} is neither a text nor a message")
    return value
