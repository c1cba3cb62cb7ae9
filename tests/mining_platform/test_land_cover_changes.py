"""Two versions of a map: what each class gained and lost, in pixels and hectares on the ellipsoid."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from mining_platform.land_cover_changes import ClassChange, class_changes

FOREST, MINING, WATER, UNSEEN, UNKNOWN = 3, 30, 33, 27, 99


def write(path: Path, codes: NDArray[np.uint8], *, pixel_m: float = 100) -> Path:
    """A map in UTM 21 S around its central meridian, where a plane hectare is 0.9992 hectares of the ellipsoid."""
    affine = rasterio.Affine(pixel_m, 0, 500_000, 0, -pixel_m, 9_300_000)
    shape = {"height": codes.shape[0], "width": codes.shape[1], "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32721", transform=affine, **shape) as raster:
        raster.write(codes, 1)
    return path


def changes(tmp_path: Path, before: NDArray[np.uint8], after: NDArray[np.uint8], **options: float) -> dict[int, ClassChange]:
    found = class_changes(write(tmp_path / "before.tif", before), write(tmp_path / "after.tif", after, **options))
    return {change.code: change for change in found}


def test_pixels_that_moved_from_forest_to_mining_are_lost_there_and_gained_here(tmp_path: Path) -> None:
    before = np.full((600, 20), FOREST, np.uint8)
    after = before.copy()
    after[510:514, :5] = MINING
    found = changes(tmp_path, before, after)
    assert set(found) == {FOREST, MINING}
    hectares = 20 * 1.0008
    assert (found[MINING].name, found[MINING].pixels_before, found[MINING].pixels_after) == ("Mining", 0, 20)
    assert found[MINING].gained_ha == found[FOREST].lost_ha == pytest.approx(hectares, abs=0.01)
    assert (found[MINING].lost_ha, found[FOREST].gained_ha) == (0, 0)
    assert found[FOREST].ha_before - found[FOREST].ha_after == pytest.approx(hectares, abs=0.02)


def test_a_class_that_moved_is_told_though_its_area_is_the_same(tmp_path: Path) -> None:
    before = np.full((10, 10), FOREST, np.uint8)
    before[0, 0] = MINING
    found = changes(tmp_path, before, np.rot90(before, 2))
    assert found[MINING].pixels_before == found[MINING].pixels_after == 1
    assert found[MINING].gained_ha == found[MINING].lost_ha == pytest.approx(1, abs=0.01)


def test_equal_maps_differ_in_nothing(tmp_path: Path) -> None:
    codes = np.arange(100, dtype=np.uint8).reshape(10, 10)
    assert changes(tmp_path, codes, codes) == {}


def test_ground_that_is_seen_at_last_and_codes_without_a_name_are_told(tmp_path: Path) -> None:
    before, after = np.full((2, 2), UNSEEN, np.uint8), np.full((2, 2), UNKNOWN, np.uint8)
    found = changes(tmp_path, before, after)
    assert {code: change.name for code, change in found.items()} == {UNSEEN: "no class", UNKNOWN: "class 99"}


def test_maps_on_other_pixels_are_compared_by_area_alone(tmp_path: Path) -> None:
    before = np.full((10, 10), FOREST, np.uint8)
    before[:2] = WATER
    after = np.full((20, 20), FOREST, np.uint8)
    after[:4] = MINING
    found = changes(tmp_path, before, after, pixel_m=50)
    assert set(found) == {WATER, MINING}, "forest has the same area in both"
    assert (found[MINING].pixels_after, found[WATER].pixels_before) == (80, 20)
    assert found[MINING].ha_after == pytest.approx(20, abs=0.03)
    assert found[MINING].gained_ha is found[MINING].lost_ha is None
