"""Options from a body and from a query: checked types, and errors for unknown names."""

from __future__ import annotations

from typing import Any

import pytest

from service.errors import InvalidValue, UnknownOption
from service.verbs.options import (
    EncodeOptions,
    InterpolateOptions,
    ManifoldOptions,
    Options,
    ReconstructOptions,
    SampleOptions,
    read_options,
)


def test_the_defaults_are_the_documented_ones() -> None:
    sample = read_options(SampleOptions, {}, [])
    assert (sample.n, sample.seed, sample.temperature, sample.truncation, sample.prior) == (16, None, 1.0, None, "auto")
    path = read_options(InterpolateOptions, {}, [])
    assert (path.steps, path.method, path.space, path.labels) == (8, "auto", "latent", None)
    manifold = read_options(ManifoldOptions, {}, [])
    assert (manifold.n, manifold.spacing, manifold.low, manifold.extent, manifold.dims) == (
        15,
        "quantile",
        None,
        None,
        None,
    )
    assert read_options(EncodeOptions, {}, []).sample is False


def test_a_query_and_a_body_add_up() -> None:
    options = read_options(SampleOptions, {"n": 4, "as": "png"}, [("seed", "12"), ("temperature", "0.5")])
    assert (options.n, options.as_, options.seed, options.temperature) == (4, "png", 12, 0.5)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([1, "two"], [1, "two"]), (1, [1]), ("two", ["two"]), (None, None), ([], [])],
)
def test_labels_in_a_body_are_a_list_or_one(labels: Any, expected: list[int | str] | None) -> None:  # noqa: ANN401
    assert read_options(EncodeOptions, {"labels": labels}, []).labels == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ([("labels", "1,two, 0")], ["1", "two", "0"]),
        ([("labels", "1"), ("labels", "two")], ["1", "two"]),
        ([("labels", "two")], ["two"]),
    ],
)
def test_labels_in_a_query_are_separated_by_commas_or_repeated(
    query: list[tuple[str, str]], expected: list[str]
) -> None:
    labels = read_options(EncodeOptions, {}, query).labels
    assert [str(label) for label in labels or ()] == expected


def test_lists_of_numbers_in_a_query() -> None:
    options = read_options(ManifoldOptions, {}, [("dims", "1,0"), ("z", "0.5,-1e-2")])
    assert (options.dims, options.z) == ([1, 0], [0.5, -0.01])


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_booleans_in_a_query(text: str, value: bool) -> None:
    assert read_options(EncodeOptions, {}, [("sample", text)]).sample is value


@pytest.mark.parametrize(
    ("name", "hint"),
    [("temprature", "temperature"), ("Seed", "seed"), ("truncate", "truncation"), ("lables", "labels")],
)
def test_a_misspelt_option_is_refused_with_near_names(name: str, hint: str) -> None:
    for body, query in (({name: 1}, []), ({}, [(name, "1")])):
        with pytest.raises(UnknownOption) as refused:
            read_options(SampleOptions, body, query)
        assert f"did you mean {hint}" in refused.value.detail
        assert refused.value.errors[0]["loc"] == [name]


def test_python_names_are_no_names_on_the_wire() -> None:
    with pytest.raises(UnknownOption):
        read_options(SampleOptions, {"as_": "png"}, [])


@pytest.mark.parametrize(
    ("kind", "body", "loc"),
    [
        (SampleOptions, {"n": "16"}, ["n"]),
        (SampleOptions, {"n": 16.5}, ["n"]),
        (SampleOptions, {"n": True}, ["n"]),
        (SampleOptions, {"n": None}, ["n"]),
        (SampleOptions, {"n": 0}, ["n"]),
        (SampleOptions, {"seed": 2**53}, ["seed"]),
        (SampleOptions, {"seed": -1}, ["seed"]),
        (SampleOptions, {"seed": 1.0}, ["seed"]),
        (SampleOptions, {"temperature": -0.1}, ["temperature"]),
        (SampleOptions, {"truncation": 0}, ["truncation"]),
        (SampleOptions, {"prior": "normal"}, ["prior"]),
        (SampleOptions, {"as": "jpeg"}, ["as"]),
        (SampleOptions, {"scale": 17}, ["scale"]),
        (SampleOptions, {"labels": [1, None]}, ["labels", 1]),
        (SampleOptions, {"labels": [1, True]}, ["labels", 1]),
        (SampleOptions, {"labels": {"0": 1}}, ["labels"]),
        (EncodeOptions, {"sample": "yes"}, ["sample"]),
        (EncodeOptions, {"sample": 1}, ["sample"]),
        (EncodeOptions, {"fit": "squeeze"}, ["fit"]),
        (ReconstructOptions, {"quantile": 1.5}, ["quantile"]),
        (ReconstructOptions, {"threshold": -1.0}, ["threshold"]),
        (InterpolateOptions, {"steps": 1}, ["steps"]),
        (InterpolateOptions, {"fps": 0}, ["fps"]),
        (InterpolateOptions, {"fps": 0.0999}, ["fps"]),
        (ManifoldOptions, {"low": 1e-17}, ["low"]),
    ],
)
def test_a_value_that_does_not_fit_is_named(kind: type[Options], body: dict[str, Any], loc: list[str | int]) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_options(kind, body, [])
    assert refused.value.errors[0]["loc"] == loc
    assert refused.value.errors[0]["expected"]
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "query",
    [
        ("n", "sixteen"),
        ("n", "65"),
        ("n", "1e3"),
        ("n", "1_0"),
        ("n", " 1 "),
        ("n", "+1"),
        ("n", "\u0661"),
        ("n", "0x1"),
        ("n", ""),
        ("dims", "0,1_0"),
        ("dims", "0,+1"),
        ("z", "1_0,0"),
        ("z", "0,infinity"),
        ("z", "1e400,0"),
        ("z", "\u0661,0"),
        ("low", "0_1"),
        ("low", " 0.1"),
        ("extent", "1_0"),
        ("extent", "Infinity"),
        ("extent", "1e400"),
        ("extent", ".5"),
        ("z", "1,,2"),
        ("z", "nan,0"),
        ("z", "inf,0"),
        ("dims", "0,1,2"),
        ("dims", ""),
        ("low", "0.5"),
        ("low", "nan"),
        ("extent", "-1"),
        ("extent", "inf"),
        ("spacing", "even"),
    ],
)
def test_text_that_is_no_such_value_is_refused(query: tuple[str, str]) -> None:
    with pytest.raises(InvalidValue) as refused:
        read_options(ManifoldOptions, {}, [query])
    assert refused.value.errors[0]["loc"][0] == query[0]
    if query[0] == "n":
        assert refused.value.errors[0]["got"] == repr(query[1])


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(InvalidValue) as refused:
        read_options(SampleOptions, {"n": 0, "seed": -1, "prior": "x"}, [])
    assert [error["loc"] for error in refused.value.errors] == [["n"], ["seed"], ["prior"]]


def test_an_option_given_twice_is_refused() -> None:
    with pytest.raises(InvalidValue, match="n is given twice"):
        read_options(SampleOptions, {}, [("n", "1"), ("n", "1")])
    with pytest.raises(InvalidValue, match="n is given twice"):
        read_options(SampleOptions, {"n": 1}, [("n", "1")])
