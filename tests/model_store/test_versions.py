"""Names, versions and references."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_store.errors import BadName
from model_store.versions import Reference, check_alias, check_name, near, parse_reference, parse_version


@pytest.mark.parametrize("name", ["a", "0", "mnist-vae", "a.b_c-d", "x" * 64])
def test_names_that_are_allowed(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "-a", ".a", "..", "A", "a b", "a/b", "../a", "a\\b", "ä", "x" * 65, "a\n", "a\0", "a@1", "a:b"],
)
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadName, match="is no model name: 1 to 64 of"):
        check_name(name)


@pytest.mark.parametrize("alias", ["latest", "3", "007", "", "Production", "a b", "a\n"])
def test_aliases_that_are_refused(alias: str) -> None:
    with pytest.raises(BadName, match="is no alias"):
        check_alias(alias)


@pytest.mark.parametrize(
    ("text", "version"),
    [("1", 1), ("12", 12), ("9999999999", 9_999_999_999)],
)
def test_version_numbers(text: str, version: int) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["0", "01", "+1", "1.0", "1\n", "١", "", "99999999999", ".staging-x"])
def test_what_is_no_version_number(text: str) -> None:
    assert parse_version(text) is None


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("m", Reference("m")),
        ("m@3", Reference("m", 3)),
        ("m@production", Reference("m", "production")),
        ("m@latest", Reference("m", "latest")),
    ],
)
def test_references(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize("text", ["@3", "m@", "m@0", "m@03", "m@-1", "M@1", "m@a@b", "m@1\n"])
def test_references_that_are_refused(text: str) -> None:
    with pytest.raises(BadName):
        parse_reference(text)


@given(st.text(max_size=80))
def test_any_text_is_a_reference_that_writes_itself_or_is_refused(text: str) -> None:
    try:
        reference = parse_reference(text)
    except BadName:
        return
    assert parse_reference(str(reference)) == reference


def test_near_names() -> None:
    assert near("mnist-va", ["mnist-vae", "mnist-ae", "scurve"]) == ["mnist-vae", "mnist-ae"]
    assert near("zzz", ["mnist-vae"]) == []
