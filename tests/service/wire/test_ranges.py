"""Range headers: which ranges a file has, and what is ignored."""

from __future__ import annotations

import pytest

from service.errors import RangeNotSatisfiable
from service.wire.ranges import satisfiable


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("bytes=0-9", "0-9"),
        ("bytes=5-", "5-99"),
        ("bytes=-10", "90-99"),
        ("bytes=-1000", "0-99"),
        ("bytes=90-1000", "90-99"),
        ("bytes=99-99", "99-99"),
        ("bytes=0-0,-1", "0-0,99-99"),
        ("bytes=0-9,200-300", "0-9"),
        ("bytes=0-9,-0", "0-9"),
        ("Bytes = 0-9 , 20-29", "0-9,20-29"),
        ("bytes=,0-9,,", "0-9"),
        ("bytes=000000000000000000000000005-7", "5-7"),
        ("bytes=0-" + "9" * 5000, "0-99"),
    ],
)
def test_ranges_that_a_file_has(header: str, ranges: str) -> None:
    assert satisfiable(header, 100) == f"bytes={ranges}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=abc",
        "bytes=1",
        "bytes=9-0",
        "bytes=0-9,x",
        "bytes=0 - 9",
        "items=0-1",
        "0-1",
        "=0-1",
        "bytes=0x1-2",
        "bytes=+1-2",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=\xb2-3",
        "bytes=0-9;x",
        "bytes=" + ",".join(["0-0"] * 101),
        "bytes=" + ",".join(["0-0"] * 10_000),
    ],
)
def test_what_makes_no_sense_is_ignored(header: str) -> None:
    assert satisfiable(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200,300-", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_a_range_behind_the_end_is_an_error_with_the_length(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as refused:
        satisfiable(header, 100)
    assert refused.value.headers == {"Content-Range": "bytes */100"}


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=-1", "bytes=0-0"])
def test_an_empty_file_has_no_ranges(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        satisfiable(header, 0)
