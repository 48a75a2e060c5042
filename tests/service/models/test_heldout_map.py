"""The projection of codes to the map, and the choice of items, against numbers known by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_store import ModelStore
from model_store.errors import HeldoutInvalid
from model_store.heldout import Heldout, read_heldout, write_heldout
from model_store.verify import HELDOUT
from service.models import Slot
from service.models.heldout_map import fit_projection, read_map, spread
from service.models.heldout_maps import Maps
from service.models.version_files import VersionFiles
from tests.service.wire import Array, close
from tests.support.publisher import republish


def codes(m: int, d: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(m, d)).astype(np.float32)


def principal(z: Array) -> tuple[Array, Array]:
    """The first two principal components of codes (m, d): their directions (2, d), and the codes in them (m, 2)."""
    centred = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    directions = np.linalg.svd(centred, full_matrices=False)[2][:2]
    return directions, (centred @ directions.T).astype(np.float32)


@pytest.mark.parametrize(("d", "matrix"), [(1, [[1], [0]]), (2, [[1, 0], [0, 1]])])
def test_up_to_two_dimensions_are_drawn_as_they_are(d: int, matrix: list[list[float]]) -> None:
    projection = fit_projection(codes(5, d), np.full((5, 2), np.float32(9)))
    assert projection.matrix.tolist() == matrix
    assert projection.offset.tolist() == [0, 0]


@pytest.mark.parametrize("d", [3, 16, 64])
def test_more_are_drawn_by_the_affine_map_that_drew_them(d: int) -> None:
    z = codes(500, d)
    directions, places = principal(z)
    projection = fit_projection(z, places)
    close(projection.matrix, directions, rtol=0, atol=1e-6)
    close(projection.offset, -directions @ z.mean(axis=0, dtype=np.float64), rtol=0, atol=1e-6)
    far = codes(9, d, seed=2) * 100
    close(far @ projection.matrix.T + projection.offset, (far - z.mean(axis=0)) @ directions.T, rtol=0, atol=1e-3)


def test_a_dimension_in_which_no_code_varies_does_not_move_the_map() -> None:
    """Nor does one that varies by its rounding alone. Two equal dimensions share what is theirs."""
    z = codes(200, 4)
    z = np.column_stack([z, np.full(200, 3.0), 1.0 + 1e-7 * codes(200, 1, seed=5)[:, 0], z[:, 0]]).astype(np.float32)
    directions, places = principal(z[:, :4])
    projection = fit_projection(z, places)
    expected = np.column_stack([directions[:, 0] / 2, directions[:, 1:], np.zeros((2, 2)), directions[:, 0] / 2])
    close(projection.matrix, expected, rtol=0, atol=1e-6)
    close(z @ projection.matrix.T + projection.offset, places, rtol=0, atol=1e-5)


def test_fewer_items_than_dimensions_are_still_where_they_were() -> None:
    z, places = codes(3, 8), codes(3, 2, seed=4)
    projection = fit_projection(z, places)
    close(z @ projection.matrix.T + projection.offset, places, rtol=0, atol=1e-5)
    alone = fit_projection(z[:1], places[:1])
    assert not alone.matrix.any()
    close(alone.offset, places[0])


def held(m: int) -> Heldout:
    inputs = np.arange(m, dtype=np.float32)[:, None]
    return Heldout(inputs, np.arange(m), codes(m, 2), codes(m, 2))


@pytest.mark.parametrize(
    ("m", "most", "chosen"),
    [
        (10, None, list(range(10))),
        (10, 11, list(range(10))),
        (10, 10, list(range(10))),
        (10, 4, [0, 2, 5, 7]),
        (10, 1, [0]),
        (3000, 3, [0, 1000, 2000]),
    ],
)
def test_fewer_items_are_spread_over_all(m: int, most: int | None, chosen: list[int]) -> None:
    whole = held(m)
    part = spread(whole, most)
    assert part.inputs[:, 0].tolist() == chosen
    assert part.labels is not None
    assert part.labels.tolist() == chosen
    assert part.codes.tolist() == whole.codes[chosen].tolist()
    assert part.coordinates.tolist() == whole.coordinates[chosen].tolist()


def test_every_number_of_items_is_that_many_different_ones() -> None:
    for most in range(1, 65):
        part = spread(held(64), most)
        assert len(np.unique(part.inputs)) == most


@pytest.mark.parametrize("array", ["codes", "coordinates"])
def test_codes_that_are_no_numbers_are_no_map(affine_store: ModelStore, tmp_path: Path, array: str) -> None:
    def spoil(staging: Path) -> None:
        whole = read_heldout(staging / HELDOUT, affine_store.manifest("sequence", 1))
        values = getattr(whole, array).copy()
        values[7, 1] = np.nan
        write_heldout(staging / HELDOUT, replace(whole, **{array: values}))

    manifest = republish(tmp_path, "spoilt", affine_store.directory("sequence", 1), spoil)
    with pytest.raises(HeldoutInvalid, match="finite"):
        read_map(tmp_path / "spoilt" / "1", manifest)


async def test_a_map_is_read_once_and_goes_with_its_version(affine_store: ModelStore) -> None:
    maps = Maps(VersionFiles(affine_store.path))
    slot, manifest = Slot("image", 1), affine_store.manifest("image", 1)
    first = await maps.get(slot, manifest)
    assert await maps.get(slot, manifest) is first
    assert maps.nbytes == first.nbytes >= 64 * (16 + 2 * 4 + 2 * 4)
    del slot
    assert maps.nbytes == 0


async def test_another_manifest_is_another_map(affine_store: ModelStore) -> None:
    """A version that was damaged and is whole again."""
    maps, slot = Maps(VersionFiles(affine_store.path)), Slot("image", 1)
    manifest = affine_store.manifest("image", 1)
    first = await maps.get(slot, manifest)
    second = await maps.get(slot, manifest.model_copy(update={"seed": 8}))
    assert second is not first
    assert maps.nbytes == second.nbytes


async def test_the_least_recently_used_go_first(affine_store: ModelStore) -> None:
    slots = {name: Slot(name, 1) for name in ("image", "rgb", "conditional")}
    manifests = {name: affine_store.manifest(name, 1) for name in slots}
    sizes = {name: read_map(affine_store.directory(name, 1), manifests[name]).nbytes for name in slots}
    maps = Maps(VersionFiles(affine_store.path), max_bytes=sizes["image"] + sizes["rgb"] + sizes["conditional"] - 1)
    image = await maps.get(slots["image"], manifests["image"])
    rgb = await maps.get(slots["rgb"], manifests["rgb"])
    assert await maps.get(slots["image"], manifests["image"]) is image
    await maps.get(slots["conditional"], manifests["conditional"])
    assert maps.nbytes == sizes["image"] + sizes["conditional"]
    assert await maps.get(slots["image"], manifests["image"]) is image
    assert await maps.get(slots["rgb"], manifests["rgb"]) is not rgb


async def test_one_that_has_no_room_is_answered_and_not_kept(affine_store: ModelStore) -> None:
    maps = Maps(VersionFiles(affine_store.path), max_bytes=10)
    found = await maps.get(Slot("vector", 1), affine_store.manifest("vector", 1))
    assert len(found.heldout.codes) == 64
    assert maps.nbytes == 0
