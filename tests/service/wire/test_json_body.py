"""JSON bodies: values that become arrays, and errors with the place of a bad value."""

from __future__ import annotations

import base64
import json
import tracemalloc

import numpy as np
import pytest

from service.errors import (
    InvalidValue,
    ServiceError,
    TooManyItems,
    UnreadableBody,
    UnreadableImage,
    WrongDtype,
    WrongShape,
)
from service.wire.json_body import LARGE_BODY_BYTES, parse_json


def test_arrays_images_and_options_are_told_apart() -> None:
    payload = parse_json(b'{"inputs": [[1, 2.5], [3, -4e2]], "images": ["QUJD"], "labels": [1], "sample": true}')
    assert payload.arrays["inputs"].tolist() == [[1, 2.5], [3, -400]]
    assert payload.images == [b"ABC"]
    assert payload.options == {"labels": [1], "sample": True}


def test_integers_are_numbers_of_the_value_range_and_never_bytes() -> None:
    assert parse_json(b'{"inputs": [[0, 1]]}').arrays["inputs"].dtype == np.float64
    assert parse_json(b'{"inputs": [[0, 1]], "sample": false}').arrays["inputs"].dtype == np.float64
    assert parse_json(b'{"inputs": [[0, 1]], "seed": 1}').arrays["inputs"].dtype == np.float64


def test_null_is_the_same_as_nothing() -> None:
    payload = parse_json(b'{"inputs": null, "z": null, "images": null}')
    assert payload.arrays == {}
    assert payload.images is None


def test_every_double_arrives_as_it_was_sent() -> None:
    values = [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0]
    assert parse_json(f'{{"z": [{values}]}}'.encode()).arrays["z"].tolist() == [values]


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,", "data:;base64,"])
def test_base64_with_and_without_a_data_prefix(prefix: str) -> None:
    text = prefix + base64.b64encode(b"\x89PNG").decode()
    assert parse_json(f'{{"images": ["{text}"]}}'.encode()).images == [b"\x89PNG"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"  \n", id="blank"),
        pytest.param(b'{"z": [[1, 2]', id="cut short"),
        pytest.param(b'{"z": [[NaN]]}', id="NaN"),
        pytest.param(b'{"z": [[-Infinity]]}', id="Infinity"),
        pytest.param(b"{'z': 1}", id="single quotes"),
        pytest.param(b'{"z": [[1,]]}', id="trailing comma"),
        pytest.param(b'{"z": [[1]]} x', id="trailing text"),
        pytest.param(b'{"z": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"z": "\\ud800"}', id="lone surrogate"),
        pytest.param(b"[" * 100_000, id="nested without end"),
    ],
)
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "kind", "loc"),
    [
        pytest.param("[1]", InvalidValue, [], id="array at the top"),
        pytest.param('"text"', InvalidValue, [], id="text at the top"),
        pytest.param("null", InvalidValue, [], id="null at the top"),
        pytest.param('{"z": 1}', WrongShape, ["z"], id="a single number"),
        pytest.param('{"z": "1,2"}', WrongShape, ["z"], id="text"),
        pytest.param('{"z": {"0": [1]}}', WrongShape, ["z"], id="object"),
        pytest.param('{"z": [[1, 2], [3]]}', WrongShape, ["z", 1], id="short row"),
        pytest.param('{"z": [[1], [2, 3]]}', WrongShape, ["z", 1], id="long row"),
        pytest.param('{"z": [[1, 2], 3]}', WrongShape, ["z", 1], id="number among rows"),
        pytest.param('{"z": [1, [2, 3]]}', WrongShape, ["z", 1], id="row among numbers"),
        pytest.param('{"z": [[[1], [2]], [[3], [4, 5]]]}', WrongShape, ["z", 1, 1], id="ragged at depth"),
        pytest.param('{"z": [[1, "2"]]}', WrongDtype, ["z", 0, 1], id="text among numbers"),
        pytest.param('{"z": [["1", "2"]]}', WrongDtype, ["z", 0, 0], id="only text"),
        pytest.param('{"z": [[true, false]]}', WrongDtype, ["z", 0, 0], id="booleans"),
        pytest.param('{"z": [[0.5, true]]}', WrongDtype, ["z", 0, 1], id="a boolean among numbers"),
        pytest.param('{"z": [[1, null]]}', WrongDtype, ["z", 0, 1], id="null among numbers"),
        pytest.param('{"z": [[null]]}', WrongDtype, ["z", 0, 0], id="null"),
        pytest.param('{"z": [[{"x": 1}]]}', WrongDtype, ["z", 0, 0], id="object in an array"),
        pytest.param(f'{{"z": {"[" * 1000}1{"]" * 1000}}}', WrongShape, ["z"], id="1000 levels"),
        pytest.param(f'{{"z": {"[" * 70}{"]" * 70}}}', WrongShape, ["z"], id="70 empty levels"),
        pytest.param('{"images": "QUJD"}', InvalidValue, ["images"], id="images as text"),
        pytest.param('{"images": [7]}', InvalidValue, ["images", 0], id="an image as number"),
        pytest.param('{"images": ["QUJD", "Q"]}', UnreadableImage, ["images", 1], id="broken base64"),
        pytest.param('{"images": ["äöü"]}', UnreadableImage, ["images", 0], id="no ASCII"),
        pytest.param('{"images": ["data:image/png,QUJD"]}', UnreadableImage, ["images", 0], id="data without base64"),
        pytest.param('{"images": ["data:image/png;base64"]}', UnreadableImage, ["images", 0], id="data without comma"),
    ],
)
def test_the_first_place_that_is_wrong_is_named(body: str, kind: type[ServiceError], loc: list[str | int]) -> None:
    with pytest.raises(kind) as refused:
        parse_json(body.encode())
    assert type(refused.value) is kind
    assert refused.value.errors[0]["loc"] == loc


@pytest.mark.parametrize("number", ["1e999", "-1e400", "1" + "0" * 400])
def test_a_number_beyond_every_double_is_no_json_and_no_infinity(number: str) -> None:
    with pytest.raises(UnreadableBody):
        parse_json(f'{{"z": [[0.5, {number}]]}}'.encode())


def test_an_integer_beyond_every_int64_is_a_number_all_the_same() -> None:
    assert parse_json(b'{"z": [[0.5, -1000000000000000000000000]]}').arrays["z"].tolist() == [[0.5, -1e24]]


def test_the_words_true_and_false_elsewhere_do_not_matter() -> None:
    payload = parse_json(b'{"z": [[1, 2]], "labels": "true"}')
    assert payload.arrays["z"].tolist() == [[1, 2]]


def test_empty_batches_are_arrays_without_rows() -> None:
    assert parse_json(b'{"z": []}').arrays["z"].shape == (0,)
    assert parse_json(b'{"z": [[], []]}').arrays["z"].shape == (2, 0)


@pytest.mark.parametrize("text", ["QUJD", "QU\\nJD\\n", "data:image/png;base64,QUJD", "DATA:image/png;base64,QUJD"])
def test_base64_in_all_its_habits(text: str) -> None:
    assert parse_json(f'{{"images": ["{text}"]}}'.encode()).images == [b"ABC"]


def test_a_byte_order_mark_is_passed_over() -> None:
    payload = parse_json(b'\xef\xbb\xbf{"z": [[1, 2]], "seed": 3}')
    assert payload.arrays["z"].tolist() == [[1, 2]]
    assert payload.options == {"seed": 3}
    assert parse_json(b'\xef\xbb\xbf{"z": [[1, 2]]}').arrays["z"].tolist() == [[1, 2]]
    with pytest.raises(UnreadableBody, match="empty"):
        parse_json(b"\xef\xbb\xbf")
    with pytest.raises(UnreadableBody):
        parse_json(b"\xef\xbb\xbf\xef\xbb\xbf{}")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param('{"z": 1}'.encode("utf-16"), "it is UTF-16,", id="UTF-16"),
        pytest.param(b"\xfe\xff" + '{"z": 1}'.encode("utf-16-be"), "it is UTF-16,", id="UTF-16, big endian"),
        pytest.param('{"z": 1}'.encode("utf-32"), "it is UTF-32,", id="UTF-32"),
        pytest.param('{"z": 1}'.encode("utf-16-le"), "it is UTF-16 or UTF-32", id="UTF-16 without a mark"),
        pytest.param('{"z": 1}'.encode("utf-32-be"), "it is UTF-16 or UTF-32", id="UTF-32 without a mark"),
        pytest.param('{"ä": 1}'.encode("latin-1"), "it is not UTF-8, .*: byte 2 ", id="Latin-1"),
        pytest.param(b'{"z": "\xed\xa0\x80"}', "it is not UTF-8, .*: byte 7 ", id="a surrogate in UTF-8"),
        pytest.param(b'{"z": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep", id="depth"),
        pytest.param(b'{"a": {"b": ' * 5000, "nested too deep", id="depth of objects"),
        pytest.param(b'{"z": [[1, 1e999]]}', "column 12: the number 1e999 is too large", id="1e999"),
        pytest.param(b'{"n": -1e400}', "the number -1e400 is too large", id="-1e400"),
        pytest.param(
            b'{"z": [[1' + b"0" * 400 + b"]]}", r"the number 10{19}… \(401 characters\) is too large", id="400 digits"
        ),
        pytest.param(b'{"n": ' + b"9" * 5000 + b"}", r"\(5000 characters\) is too large", id="5000 digits"),
        pytest.param(b'{"z": [[NaN]]}', "NaN and Infinity are not JSON", id="NaN"),
        pytest.param(b'{"z": [[-Infinity]]}', "NaN and Infinity are not JSON", id="-Infinity"),
        pytest.param(b'{"z": None}', "None is not JSON", id="None"),
        pytest.param(b'{"z": "\\ud800"}', "half of a surrogate pair", id="a high surrogate"),
        pytest.param(b'{"z": "\\udc00"}', "half of a surrogate pair", id="a low surrogate"),
        pytest.param(b'{"\\ud800x": 1}', "half of a surrogate pair", id="a surrogate in a name"),
        pytest.param(b'{"z": 1,}', "line 1, column 8$", id="nothing special"),
    ],
)
def test_why_it_is_no_json(body: bytes, words: str) -> None:
    with pytest.raises(UnreadableBody, match=words):
        parse_json(body)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"n": 1, "n": 2}', "n"),
        ('{"n": 1, "n": 1}', "n"),
        ('{"n": 1, "\\u006e": 2}', "n"),
        ('{"z": [[1]], "z": [[2]]}', "z"),
        ('{"z": [[1]], "seed": 1, "z": ["a"]}', "z"),
        ('{"images": ["QUJD"], "images": []}', "images"),
    ],
)
def test_a_name_that_is_given_twice_is_refused(body: str, name: str) -> None:
    with pytest.raises(InvalidValue, match=f"{name} is given twice") as refused:
        parse_json(body.encode())
    assert refused.value.errors[0]["loc"] == [name]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"z": ["' + b"a" * 500_000 + b'"' + b', ""' * 50_000 + b"]}", id="one long text among many"),
        pytest.param(b'{"z": [[1], "' + b"a" * 500_000 + b'"], "seed": 1}', id="a text among rows"),
        pytest.param(b'{"labels": ["a"], "z": [["' + b"a" * 500_000 + b'"], ["b"]]}', id="texts in rows"),
    ],
)
def test_text_in_an_array_takes_no_memory(body: bytes) -> None:
    """numpy would give each text as much memory as the longest one takes: 100 GB for the first of these."""
    tracemalloc.start()
    try:
        with pytest.raises((WrongDtype, WrongShape)):
            parse_json(body)
        assert tracemalloc.get_traced_memory()[1] < 128 << 20
    finally:
        tracemalloc.stop()


def test_arrays_beside_text_and_words_are_the_same() -> None:
    for rest in ("", ', "labels": ["one", "two"]', ', "sample": true', ', "labels": "true"', ', "labels": "\\""'):
        payload = parse_json(f'{{"seed": 1, "z": [[1, 2.5], [-3, 4e2]]{rest}}}'.encode())
        assert payload.arrays["z"].tolist() == [[1, 2.5], [-3, 400]]


def test_long_names_and_names_with_signs_are_read() -> None:
    payload = parse_json(f'{{"a\\u0000": 1, "{"n" * 100_000}": 2}}'.encode())
    assert list(payload.options) == ["a\0", "n" * 100_000]


# -- large bodies ------------------------------------------------------------------------------------------

LARGE = np.linspace(-1, 1, 80_000).reshape(400, 200)


@pytest.mark.parametrize("indent", [None, 0])
@pytest.mark.parametrize("others", [{}, {"labels": [3], "seed": 7}, {"images": ["QUJD" * 500]}])
@pytest.mark.parametrize("first", [True, False])
def test_a_large_array_among_other_fields_arrives_as_it_was_sent(
    others: dict[str, object], indent: int | None, first: bool
) -> None:
    fields = {"inputs": LARGE.tolist()} | others if first else others | {"inputs": LARGE.tolist()}
    body = json.dumps(fields, indent=indent).encode()
    assert len(body) > LARGE_BODY_BYTES
    payload = parse_json(body)
    assert np.array_equal(payload.arrays["inputs"], LARGE)
    assert payload.options == {name: value for name, value in others.items() if name != "images"}
    assert (payload.images is None) == ("images" not in others)


def test_both_large_arrays_are_read() -> None:
    payload = parse_json(json.dumps({"inputs": LARGE.tolist(), "steps": 3, "z": (2 * LARGE).tolist()}).encode())
    assert np.array_equal(payload.arrays["inputs"], LARGE)
    assert np.array_equal(payload.arrays["z"], 2 * LARGE)
    assert payload.options == {"steps": 3}


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        (b'{"seed": 1, "inputs": [[1, 2], [3, true]]%b}', ["inputs", 1, 1]),
        (b'{"seed": 1, "inputs": [[1, 2], [3]]%b}', ["inputs", 1]),
        (b'{"seed": 1, "inputs": [[1, 2], [3, "4"]]%b}', ["inputs", 1, 1]),
    ],
)
def test_a_bad_place_in_a_large_body_is_named(body: bytes, loc: list[str | int]) -> None:
    with pytest.raises(ServiceError) as refused:
        parse_json(body % (b" " * LARGE_BODY_BYTES))
    assert refused.value.errors[0]["loc"] == loc


def test_an_array_of_a_nested_object_stays_where_it_is() -> None:
    payload = parse_json(b'{"labels": {"inputs": [[1, 2]]}%b}' % (b" " * LARGE_BODY_BYTES))
    assert payload.arrays == {}
    assert payload.options == {"labels": {"inputs": [[1, 2]]}}


def test_a_field_that_comes_twice_in_a_large_body_is_refused_too() -> None:
    with pytest.raises(InvalidValue, match="inputs is given twice"):
        parse_json(b'{"inputs": [[1, 2]], "inputs": [[3, 4]]%b}' % (b" " * LARGE_BODY_BYTES))


def test_the_place_where_a_large_body_breaks_is_that_of_the_whole_body() -> None:
    with pytest.raises(UnreadableBody, match=rf"line 1, column {LARGE_BODY_BYTES + 30}"):
        parse_json(b'{"inputs": [[1, 2]], %b"seed": nothing}' % (b" " * LARGE_BODY_BYTES))


@pytest.mark.parametrize("values", [b"1,", b"[],", b'"",', b"{},", b"null,"])
def test_more_numbers_than_any_items_have_are_refused_before_they_are_read(values: bytes) -> None:
    body = b'{"inputs": [' + values * (3 << 20) + b"1]}"
    with pytest.raises(TooManyItems) as refused:
        parse_json(body, max_numbers=1000)
    assert refused.value.errors[0]["loc"] == ["inputs"]
    assert refused.value.errors[0]["expected"] == "at most 1000 numbers"


def test_base64_of_blanks_alone_stays_small() -> None:
    body = b'{"images": ["' + b"Q " * (1 << 20) + b'"]}'
    tracemalloc.start()
    try:
        parse_json(body)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
