"""Simulated heights: rivers run downhill in valleys, forest stands on the ground, and the layout of GLO-30."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from pyproj import Transformer
from scipy import ndimage

from mining_platform.simulation import heights
from mining_platform.simulation.elevation import arc_second_grid, finish_elevation, sampled, write_elevation
from mining_platform.simulation.landscape import FOREST, PASTURE, Landscape, classes_in
from mining_platform.simulation.noise import Floats
from mining_platform.simulation.places import made_up
from tests.mining_platform.simulated_places import middle_place, place_region


def land() -> Landscape:
    return made_up(middle_place())


@lru_cache(maxsize=1)
def ground() -> Floats:
    return heights.ground_heights(land().waters)


@lru_cache(maxsize=1)
def surface() -> Floats:
    return heights.surface_heights(land(), middle_place().years[2024].ground.textures)


def under(line: np.ndarray) -> np.ndarray:
    """Heights along the part of a line that lies on the canvas."""
    inside = ((line >= 0) & (line < np.array(ground().shape[::-1]))).all(axis=1)
    column, row = line[inside].astype(int).T
    return ground()[row, column]


def lower_than_around(mask: np.ndarray, distance_px: np.ndarray, near: int, far: int) -> np.ndarray:
    """How much lower pixels of a mask lie than the mean of the ground between two distances from it, in metres."""
    ring, width = (distance_px > near) & (distance_px < far), 2 * far + 1
    share = ndimage.uniform_filter(ring.astype(np.float64), width)
    mean = ndimage.uniform_filter(np.where(ring, ground(), 0.0), width) / np.maximum(share, 1e-9)
    return (mean - ground())[mask & (share > 0.05)]


def test_heights_are_those_of_a_lowland_with_hills() -> None:
    low, high = np.percentile(ground(), [1, 99])
    assert 90 < low < high < 350
    assert 20 < high - low < 200


def test_the_main_river_never_rises_along_its_course() -> None:
    levels = under(land().waters.river_line)
    assert len(levels) > 200
    assert np.diff(levels).max() < 0.05
    assert levels[0] - levels[-1] > 1


def test_streams_fall_from_their_heads_to_their_mouths_and_hardly_rise_between() -> None:
    falls, rises = [], []
    for line in land().waters.stream_lines:
        levels = under(line[:, :2])[::5]
        if len(levels) > 10:
            falls.append(levels[0] - levels[-1])
            rises.append(np.clip(np.diff(levels), 0, None).sum())
    assert len(falls) > 8
    assert np.mean(np.array(falls) > 0) > 0.9
    assert sum(rises) < 0.1 * sum(falls)


def test_the_river_and_the_streams_lie_in_valleys() -> None:
    waters = land().waters
    river = lower_than_around(waters.river, waters.river_distance_px, 20, 50)
    assert np.percentile(river, 2) > 1.5
    away = (waters.stream_distance_px < 1.5) & (waters.river_distance_px > 40)
    streams = lower_than_around(away, waters.stream_distance_px, 25, 40)
    assert np.mean(streams > 0.5) > 0.85
    assert np.median(streams) > 2


def test_the_surface_has_the_canopy_of_the_surveys_year_on_the_ground() -> None:
    classes = classes_in(land(), heights.SURVEY_YEAR)
    inner = {code: ndimage.binary_erosion(classes == code, iterations=3) for code in (FOREST, PASTURE)}
    canopy = surface() - ground()
    assert canopy[inner[FOREST]].mean() == pytest.approx(heights.CANOPY_M[FOREST], abs=1)
    assert np.abs(canopy[inner[PASTURE]]).max() == 0


def test_the_file_is_glo_30s_with_cells_around_whole_arc_seconds_in_metres(tmp_path: Path) -> None:
    finish_elevation(tmp_path, write_elevation(tmp_path, middle_place()))
    (item,) = pystac.Catalog.from_file(str(tmp_path / "elevation" / "catalog.json")).get_items(recursive=True)
    assert (item.collection_id, list(item.assets), item.properties["simulated"]) == ("cop-dem-glo-30", ["data"], True)
    assert item.id == "SIM_Copernicus_DSM_COG_10_S07_00_W056_00_middle_DEM"
    with rasterio.open(item.assets["data"].get_absolute_href()) as source:
        assert (source.crs.to_epsg(), source.dtypes[0], source.units) == (4326, "float32", ("m",))
        assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")
        assert source.transform.a == pytest.approx(1 / 3600)
        seconds = np.array(source.transform * (0.5, 0.5)) * 3600
        assert np.abs(seconds - np.round(seconds)).max() < 1e-6
        west, south, east, north = middle_place().region.geometry.bounds
        assert source.bounds.left < west < east < source.bounds.right
        assert source.bounds.bottom < south < north < source.bounds.top
        values = source.read(1, masked=True)
    assert not np.ma.is_masked(values)
    expected = sampled(surface(), middle_place().canvas, arc_second_grid(middle_place().region.geometry.bounds))
    assert np.std(values - expected) == pytest.approx(0.5, rel=0.05)


def test_a_cell_shows_the_ground_under_its_centre() -> None:
    canvas = middle_place().canvas
    columns = np.broadcast_to(np.arange(canvas.shape[1], dtype=np.float32), canvas.shape)
    grid = arc_second_grid(place_region().geometry.bounds)
    values = sampled(np.ascontiguousarray(columns), canvas, grid)
    row, column = grid.shape[0] // 2, grid.shape[1] // 2
    lon, lat = grid.affine * (column + 0.5, row + 0.5)
    x, _ = Transformer.from_crs(4326, 32721, always_xy=True).transform(lon, lat)
    assert values[row, column] == pytest.approx((x - canvas.affine.c) / 10 - 0.5, abs=0.01)
