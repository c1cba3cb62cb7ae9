"""Grids: 10 m lattice, windows and their ids."""

import pytest
from shapely.geometry import box

from mining_platform import grids


def test_a_window_id_names_the_upper_left_corner_in_tens_of_metres() -> None:
    assert grids.window_id(32722, 421_120, 261_120, 128) == "32722_42112_26112_128"


def test_a_window_id_gives_back_its_grid() -> None:
    geobox = grids.window_geobox("32722_42112_26112_128")
    assert geobox.shape == (128, 128)
    assert tuple(geobox.boundingbox) == (421_120, 259_840, 422_400, 261_120)


def test_southern_coordinates_may_be_negative_in_a_northern_zone() -> None:
    assert tuple(grids.window_geobox(grids.window_id(32622, 0, -1280, 48)).boundingbox)[3] == -1280


@pytest.mark.parametrize("text", ["", "a_b_c_d", "32722_1_2", "32722_1_2_3_4"])
def test_text_that_is_no_window_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a window id"):
        grids.window_geobox(text)


def test_a_corner_off_the_lattice_is_refused() -> None:
    with pytest.raises(ValueError, match="off the 10 m lattice"):
        grids.window_id(32722, 421_125, 261_120, 128)


def test_the_same_ground_has_the_same_windows_in_overlapping_regions() -> None:
    west, east = (grids.region_geobox(box(lon, -6.4, lon + 0.1, -6.3), 32721) for lon in (-55.20, -55.15))
    ids = [
        {grids.window_id(grid.epsg, grid.bounds(i, j)[0], grid.bounds(i, j)[3], 128) for i, j in grid}
        for grid in (grids.window_grid(west, 128), grids.window_grid(east, 128))
    ]
    shared_ground = grids.window_grid(west & east, 128)
    assert len(ids[0] & ids[1]) == shared_ground.rows * shared_ground.columns > 0


def test_windows_lie_wholly_inside_their_grid() -> None:
    geobox = grids.lattice_geobox(5, 5, 2995, 2995, 32721)
    grid = grids.window_grid(geobox, 128)
    assert (grid.rows, grid.columns) == (2, 2)
    assert grid.bounds(0, 0) == (0, 1280, 1280, 2560)


def test_a_region_smaller_than_a_window_has_none() -> None:
    assert list(grids.window_grid(grids.lattice_geobox(0, 0, 500, 500, 32721), 128)) == []


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"), [(-51.6, 2.3, 32622), (-51.6, -2.3, 32722), (180.0, 10.0, 32660), (-2.0, 6.0, 32630)]
)
def test_utm_zones(lon: float, lat: float, epsg: int) -> None:
    assert grids.utm_epsg(lon, lat) == epsg
