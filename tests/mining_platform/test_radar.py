"""Radar channels of made scenes: means in linear power, decibels last, passes, polarisations and seams."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from mining_platform import bands
from mining_platform.grids import lattice_geobox, project
from mining_platform.radar import (
    RADAR_RECIPES,
    RadarScene,
    decibels,
    linear,
    passes_of,
    period_mean,
    radar_facts,
    radar_on_grid,
    radar_recipe,
    radar_scenes_of,
    radar_table,
)
from tests.synthetic import EPSG, LEFT_M, TOP_M

SIDE_PX = 120
GRID = lattice_geobox(LEFT_M, TOP_M - SIDE_PX * 10, LEFT_M + SIDE_PX * 10, TOP_M, EPSG)
MEAN = RADAR_RECIPES["mean"]


def scene(
    name: str, *, day: int = 1, orbit: Any = "descending", left_px: int = -50, width_px: int = 300, **changes: Any
) -> RadarScene:
    left = LEFT_M + left_px * 10
    footprint = project(box(left, TOP_M - 3000, left + width_px * 10, TOP_M + 1000), EPSG, 4326)
    made = RadarScene(
        name, datetime(2024, 6, day, 9, tzinfo=UTC), orbit, EPSG, "gamma0", False, {"VV": "vv", "VH": "vh"}, footprint
    )
    return replace(made, **changes)


class Ground:
    """Power by scene; a scene's pixels are cut from a field around the grid, so that any grid sees the same ground."""

    def __init__(self, power: dict[str, Any]) -> None:
        self.power = power
        self.asked: list[tuple[str, str]] = []

    def __call__(self, scene: RadarScene, polarisation: str, geobox: GeoBox) -> NDArray[np.float32]:
        self.asked.append((scene.scene_id, polarisation))
        value = self.power[scene.scene_id]
        if np.ndim(value) == 0:
            return np.full(geobox.shape, value, np.float32)
        column, row = (round(each) for each in ~GRID.affine * (geobox.affine.c, geobox.affine.f))
        height, width = geobox.shape
        return np.asarray(value[row + 20 : row + 20 + height, column + 20 : column + 20 + width], np.float32)


def field(seed: int) -> NDArray[np.float32]:
    """4-look speckle over a step, 20 pixels wider than the grid on each side, with a hole."""
    rng = np.random.default_rng(seed)
    ground = np.where(np.arange(SIDE_PX + 40) < 80, 0.03, 0.2) * rng.gamma(4, 0.25, (SIDE_PX + 40, SIDE_PX + 40))
    ground[70:75, 60:90] = np.nan
    return ground.astype(np.float32)


def test_the_mean_is_of_power_and_not_of_decibels() -> None:
    mean, dates = period_mean(np.array([[[0.01]], [[0.19]]], np.float32))
    assert mean[0, 0] == pytest.approx(0.1)
    assert dates[0, 0] == 2
    assert decibels(mean)[0, 0] == pytest.approx(-10.0)


def test_a_date_without_data_is_no_date_and_none_at_all_is_nothing() -> None:
    stack = np.array([[[0.1, np.nan, 0.0]], [[0.3, 0.5, -0.001]]], np.float32)
    mean, dates = period_mean(stack)
    np.testing.assert_allclose(mean, [[0.2, 0.5, np.nan]], rtol=1e-6)
    np.testing.assert_array_equal(dates, [[2, 1, 0]])


def test_a_mean_of_no_dates_is_refused() -> None:
    with pytest.raises(ValueError, match="no dates"):
        period_mean(np.zeros((0, 3, 3), np.float32))


def test_decibels_and_power_are_inverse_and_what_is_not_above_zero_is_nothing() -> None:
    np.testing.assert_allclose(
        decibels(np.array([1, 0.1, 0, -1, np.nan], np.float32)), [0, -10, np.nan, np.nan, np.nan], atol=1e-6
    )
    np.testing.assert_allclose(linear(np.array([0.0, -10.0, 3.0])), [1, 0.1, 1.99526], rtol=1e-5)


def test_vv_and_vh_come_in_decibels_that_the_store_can_hold() -> None:
    found = radar_on_grid([scene("a")], Ground({"a": 0.1}), GRID, MEAN)
    assert (found.shape, found.dtype) == ((2, SIDE_PX, SIDE_PX), np.float32)
    np.testing.assert_allclose(found, -10, atol=1e-5)
    np.testing.assert_allclose(bands.as_values("S1-VV", bands.as_stored("S1-VV", found[0])), -10, atol=0.002)


@pytest.mark.parametrize("recipe", ["refined-lee-7", "gamma-map-7", "mean"])
def test_a_grid_in_pieces_is_the_grid_in_one_bit_for_bit(recipe: str) -> None:
    scenes = [scene("a"), scene("b", day=3, left_px=40), scene("c", day=3, orbit="ascending")]
    ground = Ground({"a": field(1), "b": np.where(np.arange(SIDE_PX + 40) >= 60, field(2), np.nan), "c": field(3)})
    whole = radar_on_grid(scenes, ground, GRID, RADAR_RECIPES[recipe])
    assert 0 < np.isnan(whole).mean() < 0.05
    for rows in (slice(0, 47), slice(47, 120)):
        for columns in (slice(0, 61), slice(61, 120)):
            part = radar_on_grid(scenes, ground, GRID[rows, columns], RADAR_RECIPES[recipe])
            np.testing.assert_array_equal(part, whole[:, rows, columns])


def test_the_filter_runs_on_the_mean_with_the_looks_of_all_its_dates() -> None:
    ground = Ground({name: field(seed) for seed, name in enumerate("abcd")})
    one = radar_on_grid([scene("a")], ground, GRID, radar_recipe("refined-lee-7"))
    four = radar_on_grid(
        [scene(name, day=day + 1) for day, name in enumerate("abcd")], ground, GRID, radar_recipe("refined-lee-7")
    )
    looks = [float(power.mean() ** 2 / power.var()) for power in (linear(each[0, 60:, :50]) for each in (one, four))]
    assert looks[0] > 3 * 4
    assert looks[1] > 3 * 16
    assert linear(four[0, 60:, :50]).mean() == pytest.approx(0.03, rel=0.02)


def test_scenes_elsewhere_are_not_read() -> None:
    ground = Ground({"near": 0.1})
    radar_on_grid([scene("near"), scene("far", day=2, left_px=2_000)], ground, GRID, MEAN)
    assert {name for name, _ in ground.asked} == {"near"}


def test_a_scene_without_vh_is_read_for_vv_alone_and_leaves_no_zeros() -> None:
    ground = Ground({"a": 0.1})
    found = radar_on_grid([scene("a", hrefs={"VV": "vv"})], ground, GRID, MEAN)
    assert ground.asked == [("a", "VV")]
    assert np.isnan(found[1]).all()
    assert not np.isnan(found[0]).any()


def test_slices_of_one_pass_are_one_date_and_another_orbit_of_the_day_is_another() -> None:
    first = scene("a")
    slices = [first, scene("b", acquired=first.acquired + timedelta(seconds=25))]
    later = scene("c", acquired=first.acquired + timedelta(minutes=99))
    other = scene("d", orbit="ascending")
    assert [[each.scene_id for each in one] for one in passes_of([later, *slices[::-1], other])] == [["a", "b"], ["d"], ["c"]]
    found = radar_on_grid([*slices, later], Ground({"a": 0.1, "b": 0.7, "c": 0.3}), GRID, MEAN)
    np.testing.assert_allclose(linear(found[0]), 0.2, rtol=1e-5)


def test_where_the_first_slice_ends_the_next_one_counts() -> None:
    first = scene("a")
    cut = np.where(np.arange(SIDE_PX + 40) < 80, field(1) * 0 + 0.1, np.nan)
    found = radar_on_grid(
        [first, scene("b", acquired=first.acquired + timedelta(seconds=25))], Ground({"a": cut, "b": 0.7}), GRID, MEAN
    )
    np.testing.assert_allclose(linear(found[0, 10, [59, 60]]), [0.1, 0.7], rtol=1e-5)


def test_orbits_are_told_and_can_be_restricted() -> None:
    scenes = [scene("a"), scene("b", day=2, orbit="ascending"), scene("c", day=3, orbit="ascending", hrefs={"VV": "vv"})]
    facts = radar_facts(scenes, MEAN)
    assert facts["orbits"] == {"ascending": 2, "descending": 1}
    assert facts["mixed_orbits"] is True
    assert facts["polarisations"] == {"VV": 3, "VH": 2}
    assert facts["lacking"] == {"VH": ["c"]}
    assert facts["dates"] == ["2024-06-01", "2024-06-02", "2024-06-03"]
    assert facts["scenes"]["a"] == {"acquired": "2024-06-01T09:00:00+00:00", "orbit": "descending", "polarisations": ["VV", "VH"]}
    ground = Ground({"a": 0.1, "b": 0.4, "c": 0.4})
    only = radar_recipe("ascending-lee-7")
    np.testing.assert_allclose(linear(radar_on_grid(scenes, ground, GRID, only)[0]), 0.4, rtol=1e-5)
    assert radar_facts(scenes, only)["mixed_orbits"] is False


def test_an_orbit_that_no_scene_has_is_refused_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"None of the 1 scenes is ascending; there are 1 descending"):
        radar_on_grid([scene("a")], Ground({"a": 0.1}), GRID, radar_recipe("ascending-lee-7"))


def test_scenes_go_through_a_table_and_back(tmp_path: Path) -> None:
    scenes = [scene("a"), scene("b", day=2, hrefs={"VV": "x.tif"}, orbit="")]
    radar_table(scenes[::-1]).to_parquet(tmp_path / "t.parquet")
    assert radar_scenes_of(gpd.read_parquet(tmp_path / "t.parquet")) == scenes


def test_an_unknown_recipe_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(KeyError, match=r"refined-lee-7, gamma-map-7"):
        radar_recipe("lee")


def test_every_recipe_names_a_filter_and_a_window_that_it_takes() -> None:
    for recipe in RADAR_RECIPES.values():
        found = radar_on_grid([scene("a", orbit=recipe.orbit)], Ground({"a": 0.1}), GRID[:20, :20], recipe)
        np.testing.assert_allclose(found, -10, atol=1e-4, err_msg=recipe.id)
