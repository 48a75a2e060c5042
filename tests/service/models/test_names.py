"""Names of a model: the versions that they mean while versions come and go. No service runs."""

from __future__ import annotations

import pytest

from model_store import ModelStore
from model_store.errors import IncompleteVersion
from service.models.slots import Model, Selector, Slot


def model(*versions: int, **aliases: int) -> Model:
    return Model("m", aliases, slots={version: Slot("m", version) for version in versions})


def numbers(slots: list[Slot]) -> list[int]:
    return [slot.version for slot in slots]


@pytest.mark.parametrize(
    ("aliases", "selector", "wanted"),
    [
        ({}, None, [3, 2, 1]),
        ({}, "latest", [3]),
        ({}, "production", []),
        ({"production": 1}, None, [1]),
        ({"production": 1}, "production", [1]),
        ({"production": 1}, "latest", [3]),
        ({"production": 1, "trial": 2}, "trial", [2]),
        ({"production": 7}, None, []),
    ],
)
def test_what_the_store_says_that_a_name_means(aliases: dict[str, int], selector: Selector, wanted: list[int]) -> None:
    assert numbers(model(1, 2, 3, **aliases).wanted(selector)) == wanted
    assert numbers(model(1, 2, 3, **aliases).candidates(selector)) == wanted


def test_what_serves_comes_before_what_the_store_says() -> None:
    found = model(1, 2, 3)
    found.mean(None, found.slots[2])
    assert numbers(found.candidates(None)) == [2, 3, 1]
    assert numbers(found.candidates("latest")) == [3]
    assert (found.meaning(None), found.meaning("latest")) == (2, None)


def test_removed_versions_are_no_longer_wanted() -> None:
    found = model(1, 2, 3)
    found.mean(None, found.slots[3])
    found.slots[3].removed = True
    assert numbers(found.wanted(None)) == [2, 1]
    assert numbers(found.candidates(None)) == [3, 2, 1]
    assert found.serves(found.slots[3])


def test_the_bare_name_goes_on_when_production_is_first_set() -> None:
    found = model(1, 2)
    found.mean(None, found.slots[2])
    found.take_aliases({"production": 1})
    assert found.meaning(None) == found.meaning("production") == 2
    assert numbers(found.wanted(None)) == [1]
    assert found.aliases_of(2) == ["production"]
    found.mean("production", found.slots[1])
    assert found.meaning(None) == 1
    assert (found.aliases_of(1), found.aliases_of(2)) == (["production"], [])


def test_an_alias_that_is_gone_means_nothing() -> None:
    found = model(1, 2, trial=1)
    found.mean("trial", found.slots[1])
    found.take_aliases({})
    assert found.meaning("trial") is None
    assert not found.serves(found.slots[1])


def test_the_reason_names_each_name_that_is_held_back() -> None:
    assert model(1, 2, production=1).reason is None
    found = model(1, 2, production=1, trial=1)
    for selector in (None, "trial"):
        found.mean(selector, found.slots[1])
    found.take_aliases({"production": 2, "trial": 7})
    found.slots[2].fail("it is damaged", ())
    found.aliases_error = "aliases.json of m cannot be read"
    assert found.reason == (
        "aliases.json of m cannot be read; "
        "m@production goes on as version 1: m@2 is failed (it is damaged); "
        "m@trial goes on as version 1: m@7 does not exist"
    )
    assert model(1, production=7).reason == "m@production cannot be served: m@7 does not exist"


def test_a_failed_version_is_tried_again_once_other_files_have_settled(affine_store: ModelStore) -> None:
    slot, manifest = Slot("m", 1), affine_store.manifest("image", 1)
    before, writing, written = (("a", 1, 1, 1),), (("a", 2, 2, 2),), (("a", 3, 3, 3),)
    slot.fail("it is damaged", before)
    assert [slot.try_again(manifest, files) for files in (before, writing, written)] == [False, False, False]
    assert slot.state == "failed"
    assert slot.try_again(manifest, written)
    assert (slot.state, slot.reason, slot.manifest) == ("available", None, manifest)


def test_a_failed_version_whose_manifest_cannot_be_read_stays_so(affine_store: ModelStore) -> None:
    slot, written = Slot("m", 1, affine_store.manifest("image", 1)), (("a", 3, 3, 3),)
    slot.fail("it is damaged", ())
    error = IncompleteVersion("it was never finished")
    assert [slot.try_again(error, written) for _ in range(3)] == [False, True, False]
    assert (slot.why, slot.manifest) == ("m@1 is failed (IncompleteVersion: it was never finished)", None)
