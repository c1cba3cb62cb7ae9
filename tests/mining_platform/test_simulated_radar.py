"""Simulated Sentinel-1: brightness by class, speckle of four looks, and the layout of sentinel-1-rtc."""

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from shapely.geometry import Point, shape

from mining_platform.grids import project
from mining_platform.simulation import radar_scenes, spectra
from mining_platform.simulation.backscatter import BY_MATERIAL, gamma_nought
from mining_platform.simulation.landscape import FOREST, MINING, PASTURE, RIVER
from mining_platform.simulation.radar import finish_radar, write_radar
from mining_platform.simulation.radar_scenes import LOOKS, NODATA, RadarSpec, ground_power, plan_radar, render_radar
from tests.conftest import REALDATA
from tests.mining_platform.simulated_places import SEED, YEARS, middle_place


def dry_spec() -> RadarSpec:
    specs = plan_radar("middle", 2024, latitude=-6.4, seed=SEED)
    return min((spec for spec in specs if spec.swath is None), key=lambda spec: spec.wetness)


@lru_cache(maxsize=1)
def dry_scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scene (polarisation, y, x), its ground without speckle, and the class of each pixel that has but one, else 0."""
    seen = middle_place().years[2024]
    scene = render_radar(dry_spec(), seen.ground, seed=SEED)
    corners = [seen.classes[y::2, x::2] for y in (0, 1) for x in (0, 1)]
    alike = np.all([corner == corners[0] for corner in corners], axis=0)
    return np.stack(list(scene.values())), ground_power(seen.ground, dry_spec().wetness), np.where(alike, corners[0], 0)


def mean_db(code: int) -> np.ndarray:
    """Mean power by polarisation of a class, in dB."""
    scene, _, classes = dry_scene()
    return 10 * np.log10(scene[:, classes == code].mean(axis=1))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[pystac.Item]]:
    out = tmp_path_factory.mktemp("radar")
    finish_radar(out, write_radar(out, middle_place()))
    return out, sorted(
        pystac.Catalog.from_file(str(out / "radar" / "catalog.json")).get_items(recursive=True), key=lambda i: i.id
    )


def test_every_material_is_known_to_the_radar() -> None:
    assert set(BY_MATERIAL) == {material.id for material in spectra.MATERIALS}
    assert gamma_nought(0.5).shape == (len(spectra.MATERIALS), 2)


def test_forest_is_near_minus_7_and_minus_13_db_and_the_river_far_below() -> None:
    assert mean_db(FOREST) == pytest.approx([-6.9, -12.9], abs=0.3)
    assert mean_db(RIVER)[0] < -17.5
    assert mean_db(RIVER)[1] < -25


def test_pasture_lies_between_forest_and_mine_and_a_mine_between_pasture_and_water() -> None:
    for water, mine, pasture, forest in zip(*(mean_db(code) for code in (RIVER, MINING, PASTURE, FOREST)), strict=True):
        assert water + 2 < mine < pasture - 1 < forest - 3


def test_a_mine_is_a_patchwork_of_ponds_washed_ground_and_regrowth() -> None:
    _, clean, classes = dry_scene()
    vv_db = 10 * np.log10(clean[0, classes == MINING])
    assert (vv_db < -17).mean() > 0.08
    assert ((vv_db > -16) & (vv_db < -12)).mean() > 0.3
    assert (vv_db > -10.5).mean() > 0.05


def test_speckle_is_that_of_four_looks_without_bias_and_without_neighbours() -> None:
    scene, clean, _ = dry_scene()
    for grains in scene / clean:
        assert grains.mean() == pytest.approx(1, abs=0.005)
        assert grains.mean() ** 2 / grains.var() == pytest.approx(LOOKS, rel=0.03)
        assert abs(np.corrcoef(grains[:, 1:].ravel(), grains[:, :-1].ravel())[0, 1]) < 0.01
    assert abs(np.corrcoef(*(scene / clean).reshape(2, -1))[0, 1]) < 0.01


def test_rounding_the_mantissa_moves_no_value_by_more_than_a_thousandth_of_a_db() -> None:
    values = np.random.default_rng(0).gamma(4, 0.05, 10_000).astype(np.float32)
    rounded = radar_scenes.rounded_mantissa(values)
    assert np.abs(10 * np.log10(rounded / values)).max() < 0.001
    assert np.unique(rounded.view(np.uint32) & 0x7FF).tolist() == [0]


def test_wet_ground_is_brighter_and_another_seed_gives_other_speckle() -> None:
    assert (gamma_nought(1.0) > gamma_nought(0.0)).all()
    ground = middle_place().years[2024].ground
    first, second = (render_radar(dry_spec(), ground, seed=seed)["VV"] for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_both_directions_of_flight_pass_every_year_at_their_hours(written: tuple[Path, list[pystac.Item]]) -> None:
    seen = {(item.datetime.year, item.properties["sat:orbit_state"], item.datetime.hour) for item in written[1] if item.datetime}
    assert seen == {(year, *flown) for year in YEARS for flown in (("ascending", 21), ("descending", 9))}
    assert len(written[1]) == len(YEARS) * radar_scenes.DATES_A_YEAR


def test_files_are_float_cogs_of_linear_power_marked_simulated(written: tuple[Path, list[pystac.Item]]) -> None:
    for item in written[1][:2]:
        assert sorted(item.assets) == ["vh", "vv"]
        for key, asset in item.assets.items():
            with rasterio.open(asset.get_absolute_href()) as source:
                assert (source.dtypes[0], source.nodata, source.crs.to_epsg(), source.res) == ("float32", NODATA, 32721, (20, 20))
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")
                assert source.tags()["polarisation"] == key.upper()
                assert source.tags()["unit"] == "linear"
                assert source.tags()["orbit"] == item.properties["sat:orbit_state"]
                values = source.read(1)
            assert 0.005 < np.median(values[values != NODATA]) < 0.4


def test_nothing_is_seen_beyond_the_footprint_of_a_scene_at_the_swaths_edge(written: tuple[Path, list[pystac.Item]]) -> None:
    cut = 0
    for item in written[1]:
        with rasterio.open(item.assets["vv"].get_absolute_href()) as source:
            seen = source.read(1) != NODATA
            inside = [tuple(source.xy(row, column)) for row, column in np.argwhere(seen)[:: seen.size // 40]]
            outside = [tuple(source.xy(row, column)) for row, column in np.argwhere(~seen)[:: seen.size // 40]]
        outline = project(shape(item.geometry), 4326, 32721)
        assert all(outline.buffer(40).contains(Point(place)) for place in inside)
        assert not any(outline.buffer(-40).contains(Point(place)) for place in outside)
        cut += bool(outside)
    assert cut == len(YEARS)


def test_items_say_what_planetary_computers_say(written: tuple[Path, list[pystac.Item]]) -> None:
    path = REALDATA / "stac-items" / "sentinel-1-rtc-pc.json"
    if not path.exists():
        pytest.skip(f"the real item {path} is absent; set MINING_PLATFORM_REALDATA")
    real, ours = json.loads(path.read_text())[0], json.loads(Path(written[1][0].get_self_href() or "").read_text())
    shared = real["properties"].keys() & ours["properties"].keys()
    same = {"sar:frequency_band", "sar:instrument_mode", "sar:polarizations", "sar:product_type", "constellation"}
    assert shared >= same | {"sat:orbit_state", "sat:relative_orbit", "proj:epsg", "proj:shape", "proj:transform", "platform"}
    assert {name: real["properties"][name] for name in same} == {name: ours["properties"][name] for name in same}
    assert real["collection"] == ours["collection"]
    band = {name: real["assets"]["vv"]["raster:bands"][0][name] for name in ("nodata", "data_type")}
    assert band.items() <= ours["assets"]["vv"]["raster:bands"][0].items()
